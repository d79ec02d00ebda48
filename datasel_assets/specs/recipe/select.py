"""A sampler and its inputs, as they stand in YAML. Not here: reading the inputs (``inputs``), what samplers do."""

from typing import Any, ClassVar

from pydantic import model_serializer, model_validator

from datasel_assets.samplers import SAMPLERS, requires, score_column
from datasel_assets.samplers.stratify import split_params
from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.recipe.values import score_name
from datasel_assets.specs.representation import ClusterSpec

OWN_GROUPS = ("source", "cluster")
"""Groups that every pool has; others are files in ``categories/``."""

CLUSTER_DISTANCE = "cluster_distance"
"""The score that ``recluster`` makes: the distance of a row to the centroid of its cluster."""


class SelectSpec(StrictModel, frozen=True):
    """The sampler and its inputs; the sampler's own parameters stand beside these keys in YAML.

    Attributes:
        sampler: name of the sampler.
        representation: whose vectors to read; for samplers that need vectors, and only for these.
        target: whose queries to read; for samplers that need queries, and only for these.
        groups: what ``stratify`` takes quotas over: ``source``, ``cluster``, or the name of a file in ``categories/``.
        tags: whose tags to read; for samplers that need tags, and only for these.
        recluster: cluster the rows that reach this sampler anew, by the vectors of ``representation``: ``groups:
            cluster`` are then these clusters and not those of the pool, and ``cluster_distance`` is a score, the
            distance to their centroids.
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
    recluster: ClusterSpec | None = None
    params: Any = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, raw: Any) -> Any:
        return split_params(raw, SAMPLERS, known=tuple(name for name in cls.model_fields if name != "params"))

    @model_validator(mode="after")
    def _inputs_match(self) -> "SelectSpec":
        reads = self.reads if self.recluster is None else self.reads | {"vectors"}
        for key, (part, example) in self.INPUTS.items():
            given = getattr(self, key) is not None
            if part in reads and not given:
                who = f"sampler {self.sampler}" if part in self.reads else "recluster"
                raise ValueError(f"{who} needs '{key}: ...' ({example})")
            if given and part not in reads:
                raise ValueError(f"sampler {self.sampler} does not use '{key}': remove it")
        by_distance = self.score == CLUSTER_DISTANCE
        if by_distance and self.recluster is None:
            raise ValueError(
                f"{CLUSTER_DISTANCE} is the distance to clusters made with 'recluster: {{k: auto}}': add that, or use "
                "neighbours.centroid_distance, which is that to the clusters of the pool"
            )
        if self.recluster is not None and self.groups != "cluster" and not by_distance:
            raise ValueError(f"nothing uses 'recluster': add 'groups: cluster' or 'by: {CLUSTER_DISTANCE}'")
        if self.score is not None and not by_distance:
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
