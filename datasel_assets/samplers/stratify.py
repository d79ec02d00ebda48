"""Quotas over groups (sources or clusters), with any other sampler inside each group.

Belongs here: the composition of quotas and an inner sampler. Does not: the quota arithmetic (``quotas``), or how
groups come about.
"""

from typing import Any

import numpy as np
from pydantic import Field, ValidationError, model_serializer, model_validator

from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.names import INNER
from datasel_assets.samplers.quotas import Quota, group_weights, repetitions, take_turns
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"groups"})
RANKS_ALL = False


class GroupLimits(StrictModel, frozen=True):
    """Bounds on the rows of one group.

    Attributes:
        min_rows: these rows are filled before all others, over the groups in proportion.
        max_rows: rows beyond it are not eligible.
        max_share: the same as a share of the rows that the group could give, rounded down.
    """

    min_rows: int = Field(default=0, ge=0)
    max_rows: int | None = Field(default=None, ge=0)
    max_share: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> "GroupLimits":
        if self.max_rows is not None and self.min_rows > self.max_rows:
            raise ValueError(f"min_rows {self.min_rows} is larger than max_rows {self.max_rows}")
        return self

    def capacity(self, size: int) -> int:
        """Return how many of ``size`` rows may be taken."""
        by_share = size if self.max_share is None else int(size * self.max_share + 1e-9)
        return min(size, by_share) if self.max_rows is None else min(size, by_share, self.max_rows)


class Inner(StrictModel, frozen=True):
    """The sampler inside each group: its name and, beside it, its own parameters.

    Attributes:
        sampler: name of a sampler, any but ``stratify`` and ``rounds``.
        params: that sampler's ``Params``; in YAML its keys stand next to ``sampler``.
    """

    sampler: str = "random"
    params: Any = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, raw: Any) -> Any:
        return split_params(raw, INNER, known=("sampler",), default="random")

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"sampler": self.sampler, **self.params.model_dump()}


class Params(StrictModel, frozen=True):
    """How the budget is shared among the groups, and how rows are chosen inside one.

    Attributes:
        quota: ``proportional`` (to size), ``equal``, ``sqrt`` (of size), or ``weights``. A group that runs out of rows
            leaves its share to the others (water-filling).
        weights: group -> weight, ``default`` for the groups not named; 0 leaves a group out. For ``quota: weights``.
        limits: group -> bounds in rows, ``default`` for the groups not named.
        repeat: how often a row may be repeated so that its group reaches its quota, as a weight: ClusterClip's gamma
            (5 there). None: a group that runs out of rows gives no more than these.
        inner: the sampler inside each group.
    """

    quota: Quota = "proportional"
    weights: dict[str, float] | None = None
    limits: dict[str, GroupLimits] = Field(default_factory=dict)
    repeat: float | None = Field(default=None, ge=1)
    inner: Inner = Field(default_factory=lambda: Inner.model_validate({}))

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        if (self.quota == "weights") != (self.weights is not None):
            raise ValueError("'weights' goes with 'quota: weights', and that quota needs them")
        if self.weights and min(self.weights.values()) < 0:
            raise ValueError("a group weight is negative: weights must be 0 or more")
        return self

    @property
    def may_fall_short(self) -> bool:
        """Whether fewer rows than the budget may come back although more are usable."""
        bounded = any(x.max_rows is not None or x.max_share is not None for x in self.limits.values())
        return bounded or self.quota == "weights" or getattr(self.inner.params, "may_fall_short", False)

    @property
    def weighted(self) -> bool:
        """Whether the rows come with weights of its own, those of the inner sampler aside."""
        return self.repeat is not None

    @property
    def ranks_all(self) -> bool:
        """Whether a longer order leaves what was said of its beginning as it was: weights depend on the budget."""
        return self.repeat is None

    @property
    def prefix(self) -> bool:
        """Whether a smaller budget is a prefix: the quotas keep to that, the inner sampler may not."""
        return getattr(self.inner.params, "prefix", True)


def split_params(raw: Any, registry: Any, known: tuple[str, ...], default: str | None = None) -> Any:
    """Turn ``{sampler: name, <its keys>}`` as written in YAML into ``{known keys, params: its validated Params}``.

    Args:
        raw: the mapping; anything else is returned as it is, for Pydantic to refuse.
        registry: name -> sampler module.
        known: keys that belong to the outer model.
        default: sampler when none is named; None makes the name mandatory.

    Raises:
        ValueError: the name is unknown or missing, a key is neither known nor a parameter of that sampler, or its
            value is not allowed.
    """
    if not isinstance(raw, dict):
        return raw
    name = raw.get("sampler", default)
    if not isinstance(name, str) or name not in registry:
        found = "no sampler is named" if name is None else f"sampler {name!r} is not known"
        raise ValueError(f"{found}: allowed are {', '.join(sorted(registry))}")
    params_type = registry[name].Params
    given = {key: value for key, value in raw.items() if key not in known}
    unknown = sorted(set(given) - set(params_type.model_fields))
    if unknown:
        allowed = sorted({*known, *params_type.model_fields})
        raise ValueError(f"unknown key {unknown[0]!r} for sampler {name}: allowed are {', '.join(allowed)}")
    outer = {key: value for key, value in raw.items() if key in known}
    try:
        params = params_type.model_validate(given)
    except ValidationError as error:
        raise ValueError("; ".join(_sentence(item) for item in error.errors(include_url=False))) from error
    return {**outer, "sampler": name, "params": params}


def _sentence(item: Any) -> str:
    """One Pydantic error as 'key: what is wrong'."""
    key = ".".join(str(part) for part in item["loc"])
    message = item["msg"].removeprefix("Value error, ").replace("Input should", "must")
    if item["type"] != "value_error":
        message += f", but it is {item['input']!r}"
    return f"{key}: {message}" if key else message


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Let the groups take turns by their quotas, each giving its rows in the inner sampler's order.

    Every prefix of the result keeps to the quotas: each group's count is less than one row away from its water-filled
    target (``quotas.take_turns``), so a smaller budget is a prefix if it is one for the inner sampler. An
    inner sampler that may give fewer rows than the group has (``may_fall_short``) is asked for all of them first; the
    quotas then count the rows it gives.

    With ``repeat``, the rows' weights are what ClusterClip (arXiv 2402.14526) does with a stream of as many rows as the
    budget: each group is drawn by its quota until its rows have been repeated ``repeat`` times, then its share goes to
    the others. A row weighs its group's draws over its group's rows, and the weights sum to the budget.

    Args:
        candidates: ``groups``, and what the inner sampler needs. Groups take turns in the order of their names.
        budget: number of rows. Rows above a group's ``max_rows`` or ``max_share``, or of weight 0, cannot be chosen.
        params: quotas and inner sampler.
        seed: passed to the inner sampler.

    Returns:
        The order; scores and weights are the inner sampler's (times those of ``repeat``).
    """
    budget = check_budget(budget)
    inner, own = INNER[params.inner.sampler], params.inner.params
    reads = getattr(own, "requires", inner.REQUIRES)
    usable = np.flatnonzero(usable_rows(candidates, REQUIRES | reads))
    if len(usable) == 0:
        return Sample.of(usable)
    names, group = np.unique(np.asarray(candidates.groups)[usable], return_inverse=True)
    labels = [str(name) for name in names]
    sizes = np.bincount(group, minlength=len(labels))
    by_group = np.split(usable[np.argsort(group, kind="stable")], np.cumsum(sizes)[:-1])
    whole: list[Sample] | None = None
    if getattr(own, "may_fall_short", False):
        whole = [inner.sample(candidates.subset(rows), len(rows), own, seed) for rows in by_group]
        sizes = np.array([len(x.order) for x in whole], dtype=np.int64)
    limits = [params.limits.get(label, params.limits.get("default", GroupLimits())) for label in labels]
    capacities = np.array([x.capacity(int(size)) for size, x in zip(sizes, limits, strict=True)], dtype=np.int64)
    minimums = np.array([x.min_rows for x in limits], dtype=np.int64)
    weights = group_weights(labels, sizes, params.quota, params.weights)
    turns = take_turns(weights, capacities, budget, minimums)
    taken = np.bincount(turns, minlength=len(labels))

    order = np.empty(len(turns), dtype=np.int64)
    scores = np.empty(len(turns), dtype=np.float32)
    selected_for = np.empty(len(turns), dtype=np.int32)
    row_weights = np.ones(len(turns)) if params.repeat is None else repetitions(weights, taken, params.repeat)[turns]
    weighted = params.repeat is not None
    row_scores = np.full(candidates.n, np.nan, dtype=np.float32)
    notes: list[str] = []
    seats_by_group = np.split(np.argsort(turns, kind="stable"), np.cumsum(taken)[:-1])
    for g, (rows, seats) in enumerate(zip(by_group, seats_by_group, strict=True)):
        if len(seats) == 0:
            continue
        chosen = (
            inner.sample(candidates.subset(rows), len(seats), own, seed) if whole is None else whole[g].head(len(seats))
        )
        order[seats] = rows[chosen.order]
        scores[seats] = chosen.scores
        selected_for[seats] = chosen.selected_for
        if chosen.weights is not None:
            weighted = True
            row_weights[seats] *= chosen.weights
        if chosen.row_scores is not None:
            row_scores[rows] = chosen.row_scores
        notes += [f"{labels[g]}: {note}" for note in chosen.notes]
    return Sample.of(
        order,
        scores,
        selected_for,
        None if np.isnan(row_scores).all() else row_scores,
        row_weights if weighted else None,
        tuple(notes),
    )
