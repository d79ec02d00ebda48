"""``data/language_models/*.yaml``: a causal language model that reads the pool, and under which contexts."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import StrictModel
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.proxy import ProxySpec

LOCAL = "local:proxy_lm"
"""Name of a model that is trained on the pool itself."""

CONDITIONED = "conditioned"
BARE = "unconditioned_bare"
HEADER = "unconditioned_header"
PERTURBED = "perturbed"
SUBNET = "subnet"
CHECKPOINT = "checkpoint"
CHOICES = "choices"
"""Contexts under which a response is scored: with its prompt, without it in two forms, and contrasts."""

PROMPT = "prompt"
"""The prompt itself, scored where the conditioned context reads it."""

Context = Literal["unconditioned_bare", "unconditioned_header", "perturbed", "subnet", "choices", "prompt"]


class Retrain(StrictModel, frozen=True):
    """When a model of the pool is trained again.

    Attributes:
        drift: Jensen-Shannon divergence (bits) between the tokens of today's pool and those of the training from which
            on the model is trained again; raise ``seed`` of the proxy to ask for it at once.
        sample: rows of the pool that the drift is measured on.
    """

    drift: float = Field(default=0.05, gt=0, le=1)
    sample: int = Field(default=4000, ge=1)


class Checkpoint(StrictModel, frozen=True):
    """A checkpoint of a model that is not trained here.

    Attributes:
        model: a local folder or a name on the hub, where it is another than that of the model itself.
        revision: branch, tag or commit on the hub, such as ``step1000``.
        learning_rate: that of the step that led to it, which influence over several checkpoints weighs it by.
    """

    model: str | None = Field(default=None, min_length=1)
    revision: str | None = None
    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _named(self) -> "Checkpoint":
        if self.model is None and self.revision is None:
            raise ValueError("checkpoints: an entry needs 'model' (a folder or a name) or 'revision'")
        return self


class LanguageModelSpec(StrictModel, frozen=True):
    """A causal model that reads the pool; its file name is the family of its scores (``proxy_lm.perplexity``).

    Attributes:
        doc: what it is for.
        causal: the model and how rows are shown to it; ``model: local:proxy_lm`` trains one on the pool.
        contexts: passes beside the conditioned one. ``unconditioned_bare`` gives Superfiltering's IFD,
            ``unconditioned_header`` Cherry's, ``perturbed`` prompt uncertainty, ``subnet`` learning complexity,
            ``choices`` CAPE for the rows that are multiple choice; ``prompt`` the perplexity of the prompt, from the
            conditioned pass.
        copies: perturbed prompts per row.
        subnet_rates: shares of the weights that are masked.
        choice_orders: orders of the choices of a multiple-choice row, a pass for each.
        checkpoints: one more pass for each gives learning complexity over the training. Of ``local:proxy_lm`` how many
            it keeps while it is trained, of another model which.
        records: also store each response token of the conditioned context: ``token``, ``token_logp``,
            ``token_entropy``, ``token_top1``, ``token_top2``, ``token_sum_p2``, ``token_hit``, lists over the turns of
            a row in order. 16 bytes a token before compression, and that much memory while the table is written.
        proxy: how ``local:proxy_lm`` is built and trained.
        retrain: when ``local:proxy_lm`` is trained again.
    """

    doc: str = ""
    causal: CausalSpec = CausalSpec.model_validate({"model": LOCAL})
    contexts: tuple[Context, ...] = ("unconditioned_bare", "unconditioned_header")
    copies: int = Field(default=20, ge=1, le=100)
    subnet_rates: tuple[float, ...] = (0.1, 0.3, 0.5)
    choice_orders: int = Field(default=4, ge=1, le=24)
    checkpoints: Annotated[int, Field(ge=0, le=20)] | tuple[Checkpoint, ...] = 0
    records: bool = False
    proxy: ProxySpec | None = None
    retrain: Retrain | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "LanguageModelSpec":
        if len(set(self.contexts)) != len(self.contexts):
            raise ValueError("contexts: a context is named twice")
        for key in ("proxy", "retrain"):
            if getattr(self, key) is not None and not self.is_local:
                raise ValueError(f"'{key}' goes with 'causal: {{model: {LOCAL}}}': other models are not trained here")
        if self.is_local and isinstance(self.checkpoints, tuple):
            raise ValueError(f"checkpoints: {LOCAL} is trained here, so give their number, such as 'checkpoints: 3'")
        if not self.is_local and self.checkpoints and isinstance(self.checkpoints, int):
            raise ValueError(
                "checkpoints: this model is not trained here, so name them, such as "
                "'checkpoints: [{revision: step1000}]'"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether the model is trained on the pool."""
        return self.causal.model == LOCAL

    @property
    def n_checkpoints(self) -> int:
        """Passes under checkpoints."""
        return self.checkpoints if isinstance(self.checkpoints, int) else len(self.checkpoints)

    @property
    def scored_under(self) -> tuple[str, ...]:
        """Every context of the token table, those that are always there or are many counted once."""
        return (CONDITIONED, *self.contexts, *([CHECKPOINT] if self.n_checkpoints else []))

    @property
    def passes(self) -> tuple[str, ...]:
        """The contexts as columns of a table of statistics: numbered ones are one column each."""
        names = [CONDITIONED, *(c for c in self.contexts if c.startswith("unconditioned"))]
        if PERTURBED in self.contexts:
            names += [f"{PERTURBED}_{k}" for k in range(self.copies)]
        if SUBNET in self.contexts:
            names += [f"{SUBNET}_{k}" for k in range(len(self.subnet_rates))]
        names += self.checkpoint_passes
        return (*names, *(c for c in self.contexts if c in (CHOICES, PROMPT)))

    @property
    def checkpoint_passes(self) -> tuple[str, ...]:
        """Those of the passes that checkpoints make, in the order of training."""
        return tuple(f"{CHECKPOINT}_{k}" for k in range(self.n_checkpoints))
