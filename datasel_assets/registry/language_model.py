"""``data/language_models/*.yaml``: a causal language model that reads the pool, and under which contexts."""

from typing import Literal

from pydantic import Field, model_validator

from datasel_assets.indicators.tokens import NEEDS, TOKENS
from datasel_assets.models.causal_lm import CausalSpec
from datasel_assets.models.proxy_lm import ProxySpec
from datasel_assets.schema import StrictModel

LOCAL = "local:proxy_lm"
"""Name of a model that is trained on the pool itself."""

Context = Literal["unconditioned_bare", "unconditioned_header", "perturbed", "subnet"]


class Retrain(StrictModel):
    """When a model of the pool is trained again.

    Attributes:
        drift: Jensen-Shannon divergence (bits) between the tokens of today's pool and those of the training from which
            on the model is trained again; raise ``seed`` of the proxy to ask for it at once.
        sample: rows of the pool that the drift is measured on.
    """

    drift: float = Field(default=0.05, gt=0, le=1)
    sample: int = Field(default=4000, ge=1)


class LanguageModelSpec(StrictModel):
    """One model; its file name is the family of its scores (``proxy_lm.perplexity``).

    Attributes:
        doc: what it is for.
        causal: the model and how rows are shown to it; ``model: local:proxy_lm`` trains one on the pool.
        contexts: passes beside the conditioned one. ``unconditioned_bare`` gives Superfiltering's IFD,
            ``unconditioned_header`` Cherry's, ``perturbed`` prompt uncertainty, ``subnet`` learning complexity.
        copies: perturbed prompts per row.
        subnet_rates: shares of the weights that are masked.
        proxy: how ``local:proxy_lm`` is built and trained.
        retrain: when ``local:proxy_lm`` is trained again.
    """

    doc: str = ""
    causal: CausalSpec = CausalSpec.model_validate({"model": LOCAL})
    contexts: tuple[Context, ...] = ("unconditioned_bare", "unconditioned_header")
    copies: int = Field(default=20, ge=1, le=100)
    subnet_rates: tuple[float, ...] = (0.1, 0.3, 0.5)
    proxy: ProxySpec | None = None
    retrain: Retrain | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "LanguageModelSpec":
        if len(set(self.contexts)) != len(self.contexts):
            raise ValueError("contexts: a context is named twice")
        for key in ("proxy", "retrain"):
            if getattr(self, key) is not None and not self.is_local:
                raise ValueError(f"'{key}' goes with 'causal: {{model: {LOCAL}}}': other models are not trained here")
        return self

    @property
    def is_local(self) -> bool:
        """Whether the model is trained on the pool."""
        return self.causal.model == LOCAL

    @property
    def indicators(self) -> tuple[str, ...]:
        """The indicators that these contexts allow."""
        return tuple(name for name in TOKENS if set(NEEDS.get(name, ())) <= {"conditioned", *self.contexts})
