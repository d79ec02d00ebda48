"""What is known of the costs of steps: the records of earlier runs here, else those of the shipped pool.

Belongs here: which figure counts. Does not belong here: how cost follows from work (``step_cost``), files.

The records give the level, the reference the shape: a step that took 1.3 times as long here as the reference says for
the same work is taken to do so for any other amount of work. A stage without a record here takes the level of all
others, which is how much faster or slower this machine is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datasel_assets.costs.line import fit_line
from datasel_assets.costs.plan import NEVER
from datasel_assets.costs.reference import Reference
from datasel_assets.costs.step_cost import QUANTITIES, THOUSAND, TIMES, Cost, StepCost, Work

RECENT = 5
"""Records of a stage and source that are looked at: the one with the most work counts."""

HERE = "measured here"
ELSEWHERE = "reference"
KIND = "its kind"


@dataclass(frozen=True)
class Measured:
    """What one step did and took.

    Attributes:
        stage: name of the table.
        source: for which source.
        computed: work of the rows that were computed.
        whole: work of all rows of its tables.
        cost: what it took.
        gpu_seconds: 0 where no GPU was used.
        before_mb: memory that the process held before.
    """

    stage: str
    source: str | None
    computed: Work
    whole: Work
    cost: Cost
    gpu_seconds: float = 0.0
    before_mb: float = 0.0


@dataclass(frozen=True)
class Expected:
    """What a step is expected to take.

    Attributes:
        cost: all of it 0 where ``basis`` is :data:`NEVER`.
        gpu_seconds: of its model; None where it will use a GPU and that has never been measured.
        basis: where this is known from.
    """

    cost: Cost
    gpu_seconds: float | None
    basis: str


class KnownCosts:
    """Costs of steps, from records and from the reference."""

    def __init__(self, records: Iterable[Measured], reference: Reference) -> None:
        self._reference = reference
        self._records = _telling(records)
        self._levels = {stage: self._level(stage) for stage in self._records}
        known = [stage for stage in self._records if stage in reference.steps]
        self._speed = _ratios([m for stage in known for m in self._records[stage]], reference.steps)

    def before_mb(self, *, models: bool) -> float:
        """Return what the process of a run holds before a step: the most there was here, else in the reference.

        Args:
            models: the run loads any, which then stay.
        """
        there = self._reference.before_mb if models else self._reference.start_mb
        return max((m.before_mb for found in self._records.values() for m in found), default=there)

    def expected(self, stage: str, computed: Work, whole: Work, *, first: bool = True, gpu: bool = False) -> Expected:
        """Return what a step will take.

        Args:
            stage: name of its table.
            computed: work of the rows that are to be computed.
            whole: work of all rows of its tables.
            first: it is the first source of the run that has this step.
            gpu: its model will run on a GPU.
        """
        steps, own = self._reference.steps, self._records.get(stage)
        if own:
            alike = [steps.get(stage) or _fitted(own)]
            level, basis = self._levels[stage], HERE
        else:
            same = [name for name in steps if name.split("/")[0] == stage.split("/")[0]]
            alike = [steps[stage]] if stage in steps else [steps[name] for name in same]
            level, basis = self._speed, ELSEWHERE if stage in steps else KIND
        if not alike:
            return Expected(Cost(0.0, 0.0, 0.0, 0.0), None if gpu else 0.0, NEVER)
        costs = [step.at(computed, whole, first=first) for step in alike]
        mean = {name: sum(getattr(cost, name) for cost in costs) / len(costs) for name in QUANTITIES}
        cost = Cost(**{name: mean[name] * level[name] for name in QUANTITIES})
        if not gpu:
            return Expected(cost, 0.0, basis)
        on_gpu = [m for m in own or () if m.gpu_seconds > 0]
        return Expected(cost, cost.seconds if on_gpu else None, basis)

    def _level(self, stage: str) -> Mapping[str, float]:
        return _ratios(self._records[stage], self._reference.steps)


def _telling(records: Iterable[Measured]) -> dict[str, list[Measured]]:
    """Return by stage, for each source, the recent record with the most work."""
    of: dict[tuple[str, str | None], list[Measured]] = defaultdict(list)
    for record in records:
        if record.computed.rows > 0:
            of[record.stage, record.source].append(record)
    found: dict[str, list[Measured]] = defaultdict(list)
    for (stage, _), some in of.items():
        found[stage].append(max(reversed(some[-RECENT:]), key=lambda m: m.computed.rows))
    return dict(found)


def _ratios(records: Sequence[Measured], steps: Mapping[str, StepCost]) -> dict[str, float]:
    """Return for each quantity how much more was measured than the reference says; 1 where it says nothing."""
    here, there, seen = dict.fromkeys(QUANTITIES, 0.0), dict.fromkeys(QUANTITIES, 0.0), set()
    for m in (m for m in records if m.stage in steps):
        said = steps[m.stage].at(m.computed, m.whole, first=m.stage not in seen)
        seen.add(m.stage)
        for name in QUANTITIES:
            here[name] += getattr(m.cost, name)
            there[name] += getattr(said, name)
    return {name: here[name] / there[name] if here[name] > 0 and there[name] > 0 else 1.0 for name in QUANTITIES}


def _fitted(records: Sequence[Measured]) -> StepCost:
    """Return the cost of a stage that the reference lacks, by its rows."""
    lines = {}
    for name in QUANTITIES:
        work = [(m.computed if name in TIMES else m.whole).rows / THOUSAND for m in records]
        lines[name] = fit_line(work, [getattr(m.cost, name) for m in records])
    return StepCost("rows", 1.0, lines)
