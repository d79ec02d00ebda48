"""A sampler and its inputs, as they stand in YAML. Not here: reading the inputs (``inputs``), what samplers do."""

from typing import Any, ClassVar

from pydantic import model_serializer, model_validator

from datasel_assets.samplers import SAMPLERS, requires, score_column
from datasel_assets.samplers.stratify import split_params
from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.recipe.values import score_name

OWN_GROUPS = ("source", "cluster")
"""Groups that every pool has; others are files in ``categories/``."""


class SelectSpec(StrictModel, frozen=True):
    """The sampler and its inputs; the sampler's own parameters stand beside these keys in YAML.

    Attributes:
        sampler: name of the sampler.
        representation: whose vectors to read; for samplers that need vectors, and only for these.
        target: whose queries to read; for samplers that need queries, and only for these.
        groups: what ``stratify`` takes quotas over: ``source``, ``cluster``, or the name of a file in ``categories/``.
        tags: whose tags to read; for samplers that need tags, and only for these.
        params: the sampler's validated ``Params``.
    """

    INPUTS: ClassVar[dict[str, tuple[str, str]]] = {
        "representation": ("vectors", "a file name of representations/"),
        "target": ("queries", "a file name of targets/"),
        "groups": ("groups", "source, cluster, or a file name of categories/"),
        "tags": ("tags", "a file name of tags/"),
    }
    """Key in YAML -> the part of ``Candidates`` that it fills, and an example."""

    sampler: str
    representation: Slug | None = None
    target: Slug | None = None
    groups: Slug | None = None
    tags: Slug | None = None
    params: Any = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, raw: Any) -> Any:
        return split_params(raw, SAMPLERS, known=tuple(name for name in cls.model_fields if name != "params"))

    @model_validator(mode="after")
    def _inputs_match(self) -> "SelectSpec":
        for key, (part, example) in self.INPUTS.items():
            given = getattr(self, key) is not None
            if part in self.reads and not given:
                raise ValueError(f"sampler {self.sampler} needs '{key}: ...' ({example})")
            if given and part not in self.reads:
                raise ValueError(f"sampler {self.sampler} does not use '{key}': remove it")
        if self.score is not None:
            score_name(self.score)
        return self

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in type(self).model_fields if name not in ("sampler", "params")}
        given = {
            key: value.model_dump() if isinstance(value, StrictModel) else value
            for key, value in own.items()
            if value is not None
        }
        return {"sampler": self.sampler, **given, **self.params.model_dump()}

    @property
    def reads(self) -> frozenset[str]:
        """The parts of ``Candidates`` that the sampler reads."""
        return requires(self.sampler, self.params)

    @property
    def score(self) -> str | None:
        """The column that orders the rows, or None."""
        return score_column(self.sampler, self.params)
