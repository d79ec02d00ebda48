"""The sampler ``greedy``: which objective, which optimiser, and the order of rows that comes of them.

Belongs here: what YAML may set, which rows count, the contract. Does not: any objective (``objectives``), the search
(``optimisers``).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, need, positions_of, usable_rows
from datasel_assets.samplers.greedy.objectives import OBJECTIVES
from datasel_assets.samplers.greedy.optimisers import Search, lazy_greedy, stochastic_greedy
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset()
RANKS_ALL = False
WORDING = Wording(", adds {figures} to the objective")


class ObjectiveSpec(StrictModel, frozen=True):
    """An objective: its name and, beside it, its own parameters. In YAML the name alone will do.

    Attributes:
        name: name of the objective.
        params: that objective's ``Params``; in YAML its keys stand next to ``name``.
    """

    name: str
    params: Any = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, raw: Any) -> Any:
        if isinstance(raw, str):
            raw = {"name": raw}
        if not isinstance(raw, dict):
            return raw
        name = raw.get("name")
        if not isinstance(name, str) or name not in OBJECTIVES:
            raise ValueError(f"objective {name!r} is not known: allowed are {', '.join(sorted(OBJECTIVES))}")
        allowed = OBJECTIVES[name].Params
        given = {key: value for key, value in raw.items() if key != "name"}
        unknown = sorted(set(given) - set(allowed.model_fields))
        if unknown:
            keys = ", ".join(sorted({"name", *allowed.model_fields}))
            raise ValueError(f"unknown key {unknown[0]!r} for objective {name}: allowed are {keys}")
        try:
            return {"name": name, "params": allowed.model_validate(given)}
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in wrong["loc"])
            raise ValueError(f"{key} of objective {name}: {wrong['msg']}, but it is {wrong['input']!r}") from error

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"name": self.name, **self.params.model_dump()}


class Params(StrictModel, frozen=True):
    """What is maximised, and how.

    Attributes:
        objective: what the chosen rows are to maximise together: a name, or a mapping of ``name`` and its keys.
        alpha: weight of a modular term: a row adds alpha times its score, whatever else is chosen. In
            facility location a gain of 1 is one row covered, so alpha is how many covered rows a point of score is
            worth. QDIT's (1 - a) d + a q (arXiv 2311.14736) is alpha = a / (1 - a).
        by: the column of scores; goes with ``alpha``.
        normalise: weigh means in place of sums, so that one alpha says the same of every pool and budget: the objective
            as a share of that of the whole pool (in facility location the mean similarity of a row to the subset)
            against the mean score of the chosen rows, scores brought to 0 .. 1 by the least and the greatest of the
            pool. The rows for a smaller budget are then not the first of those for a larger one.
        epsilon: None for the exact lazy greedy; else the stochastic greedy, expected to lose at most this share of the
            optimum.
        cost_scaled: where the rows have costs (the budget is in tokens), compare rows by gain per cost. False: by gain.
        existing: row_ids that count as chosen already: gains are what comes on top, and they are not returned.
    """

    objective: ObjectiveSpec = Field(default_factory=lambda: ObjectiveSpec.model_validate("facility_location"))
    alpha: float = Field(default=0, ge=0)
    by: str | None = None
    normalise: bool = False
    epsilon: float | None = Field(default=None, gt=0, lt=1)
    cost_scaled: bool = True
    existing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        if (self.alpha > 0) != (self.by is not None):
            raise ValueError("'alpha' weighs the scores of the column 'by': give both or neither")
        if self.normalise and not self.alpha:
            raise ValueError("'normalise' makes 'alpha' comparable: give 'alpha' and 'by' too, or leave it out")
        return self

    @model_serializer(mode="wrap")
    def _unsaid(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``normalise`` out where it is off: recipes that do not say it keep their versions."""
        return {key: value for key, value in dump(self).items() if key != "normalise" or value}

    @property
    def prefix(self) -> bool:
        """Whether a smaller budget is a prefix: not where the score of a row counts as its share of the budget."""
        return not self.normalise

    @property
    def requires(self) -> frozenset[str]:
        """Parts of ``Candidates`` that are read: the objective's, and ``scores`` with ``alpha``."""
        return OBJECTIVES[self.objective.name].REQUIRES | ({"scores"} if self.alpha else set())


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Add, again and again, the row that raises the objective most; row_id decides between equal gains.

    F(S) = f(S) + alpha * sum of scores, f one of ``objectives.OBJECTIVES`` over the usable rows. The order is exactly
    that of the greedy algorithm, but most rows are not looked at in most rounds (``optimisers.lazy_greedy``). When
    nothing adds anything any more the rest follow by row_id, so the budget is always met.

    With ``normalise`` F(S) = f(S) + alpha * f(V) * (sum of scores) / budget, V the whole pool and scores in 0 .. 1:
    f(V) times (f(S) / f(V) + alpha * mean score). As printed, QDIT adds a sum over the n rows of the pool to one over
    the b chosen rows (survey Alg 5), so that what its a does depends on n and b.

    Guarantees, for monotone f: every prefix of b rows is worth at least 1 - 1/e of the best b rows; 1 - 1/e - epsilon
    in expectation with ``epsilon``. With costs and a budget of cost, neither gain nor gain per cost alone has a bound;
    the better of the two orders, cut at the budget, is worth at least (1 - 1/e) / 2 of the best (Leskovec et al. 2007,
    CELF): run both settings of ``cost_scaled`` and keep the one with the larger sum of ``scores``.

    The rows are worked on in the order of row_id, so that the file layout cannot reach the rounding of a product.

    Args:
        candidates: ``vectors`` or ``tags`` as the objective needs; ``scores`` with ``alpha``; ``costs`` where given.
        budget: number of rows. With ``normalise`` a smaller one is NOT a prefix.
        params: objective and optimiser.
        seed: used with ``epsilon``.

    Returns:
        The order; ``scores`` is the gain of each pick, and the sum of any first ones is F of that prefix (beyond what
        ``existing`` is worth); ``row_scores`` is an upper bound of what each other row would still add: its gain when
        it was last looked at.

    Raises:
        ValueError: an ``existing`` row_id is not among the candidates, or a cost is not positive.
    """
    budget = check_budget(budget)
    objective_type = OBJECTIVES[params.objective.name]
    usable = usable_rows(candidates, params.requires)
    existing = positions_of(candidates.row_ids, params.existing)
    if len(existing):
        anyone = usable_rows(replace(candidates, eligible=None), objective_type.REQUIRES)
        existing = existing[anyone[existing]]
        usable[existing] = False
    counts = usable.copy()
    counts[existing] = True
    rows = np.flatnonzero(counts)
    rows = rows[np.argsort(candidates.ties[rows])]
    free = np.flatnonzero(usable[rows])
    budget = min(budget, len(free))
    if budget == 0:
        return Sample.of(np.empty(0, np.int64))
    pool = candidates.subset(rows)
    objective = objective_type(pool, params.objective.params)
    bonus = None
    if params.alpha:
        scores = np.asarray(pool.scores, dtype=np.float64)
        if params.normalise:
            scores = _zero_to_one(scores, free) * (objective.whole / budget)
        bonus = params.alpha * scores
    for row in np.flatnonzero(~usable[rows]).tolist():
        objective.add(row)
    costs = _costs(pool) if params.cost_scaled and pool.costs is not None else None
    search = Search(objective, free, bonus, costs)
    if params.epsilon is None:
        order = lazy_greedy(search, budget)
    else:
        order = stochastic_greedy(search, budget, params.epsilon, seed)
    row_scores = np.full(candidates.n, np.nan, dtype=np.float32)
    row_scores[rows] = search.gain
    return Sample.of(rows[order], scores=search.gain[order], row_scores=row_scores)


def _zero_to_one(scores: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return scores (n,) float64 such that the least of the ``free`` rows is 0 and the greatest 1; all 0 if they tie.

    Raises:
        ValueError: a score is infinite.
    """
    least, greatest = scores[free].min(), scores[free].max()
    if not (np.isfinite(least) and np.isfinite(greatest)):
        raise ValueError(
            f"scores from {least} to {greatest} have no range to be brought to 0 .. 1: drop the rows with infinite "
            "scores, or leave 'normalise' out"
        )
    return (scores - least) / (greatest - least) if greatest > least else np.zeros_like(scores)


def _costs(pool: Candidates) -> np.ndarray:
    """Return the costs as float64.

    Raises:
        ValueError: one of them is not a positive number.
    """
    costs = np.asarray(need(pool, "costs"), dtype=np.float64)
    bad = np.flatnonzero(~((costs > 0) & np.isfinite(costs)))
    if len(bad):
        raise ValueError(
            f"row {str(pool.row_ids[bad[0]])!r} costs {costs[bad[0]]}: gain per cost needs positive costs "
            f"({len(bad)} such rows); set cost_scaled: false to compare rows by gain"
        )
    return costs
