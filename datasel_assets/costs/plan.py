"""The plan of a run: one line for each step, totals, and what a run took beside it.

Belongs here: adding up and comparing. Does not belong here: which steps there are (``tables.costs``), how a plan is
printed (``cli.plan``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NEVER = "never measured"
"""Basis of a step of which nothing is known: it counts for nothing."""


@dataclass(frozen=True)
class PlanLine:
    """One step.

    Attributes:
        stage: name of its table.
        source: for which source; None for the whole pool.
        why: why it is to be made.
        rows: conversations that are to be computed.
        tokens: that a model reads; 0 where there is none.
        bytes_read: of the tables that it reads.
        bytes_written: of the tables that it publishes.
        memory_mb: of its process, at the highest.
        cpu_seconds: of all cores together.
        gpu_seconds: 0 where none is used, None where that has never been measured.
        seconds: on the wall.
        basis: where this is known from.
    """

    stage: str
    source: str | None
    why: str
    rows: int
    tokens: int
    bytes_read: int
    bytes_written: int
    memory_mb: float
    cpu_seconds: float
    gpu_seconds: float | None
    seconds: float
    basis: str


@dataclass(frozen=True)
class Totals:
    """A plan added up; ``memory_mb`` is the largest. ``gpu_seconds`` counts what is known."""

    steps: int
    tokens: int
    bytes_read: int
    bytes_written: int
    memory_mb: float
    cpu_seconds: float
    gpu_seconds: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a run is expected to do.

    Attributes:
        lines: its steps, in order.
        untold: what it cannot be told of, with the reason.
        between_seconds: wall seconds between the steps, in all.
        between_cpu_seconds: the same in CPU seconds.
    """

    lines: Sequence[PlanLine] = ()
    untold: Sequence[str] = ()
    between_seconds: float = 0.0
    between_cpu_seconds: float = 0.0

    @property
    def totals(self) -> Totals:
        """Return the plan added up, with what lies between the steps."""
        lines = self.lines
        return Totals(
            steps=len(lines),
            tokens=sum(line.tokens for line in lines),
            bytes_read=sum(line.bytes_read for line in lines),
            bytes_written=sum(line.bytes_written for line in lines),
            memory_mb=max((line.memory_mb for line in lines), default=0.0),
            cpu_seconds=sum(line.cpu_seconds for line in lines) + self.between_cpu_seconds,
            gpu_seconds=sum(line.gpu_seconds or 0.0 for line in lines),
            seconds=sum(line.seconds for line in lines) + self.between_seconds,
        )

    def line(self, stage: str, source: str | None) -> PlanLine | None:
        """Return the line of one step."""
        return next((line for line in self.lines if (line.stage, line.source) == (stage, source)), None)

    def plain(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        return {**asdict(self), "totals": asdict(self.totals)}

    @classmethod
    def of_plain(cls, kept: Mapping[str, Any]) -> "Plan":
        """Return what :meth:`plain` was made of."""
        lines = [PlanLine(**line) for line in kept["lines"]]
        return cls(lines, kept["untold"], kept["between_seconds"], kept["between_cpu_seconds"])


@dataclass(frozen=True)
class Compared:
    """Forecast and actual of one stage, or of all; a factor of 1.5 means that it took half as much again.

    Attributes:
        stage: its name; ``in all`` for the sum.
        steps: that were made.
        forecast: seconds, CPU seconds, MB of memory and bytes written, as they were forecast.
        actual: the same as they were.
    """

    stage: str
    steps: int
    forecast: Mapping[str, float]
    actual: Mapping[str, float]

    def factor(self, quantity: str) -> float:
        """Return actual over forecast; infinite where nothing was forecast."""
        expected, was = self.forecast[quantity], self.actual[quantity]
        return was / expected if expected > 0 else float("inf") if was > 0 else 1.0


ALL = "in all"
COMPARED = ("seconds", "cpu_seconds", "memory_mb", "bytes_written")


def compare(plan: Plan, records: Iterable[Mapping[str, Any]]) -> list[Compared]:
    """Return forecast and actual of the steps that were made, by stage in their order, and of all of them last.

    Steps that were planned and turned out not to be needed count on neither side.

    Args:
        plan: what was expected.
        records: what the steps took: ``stage``, ``source``, ``seconds``, ``cpu_seconds``, ``peak_rss_mb``,
            ``bytes_written``.
    """
    pairs: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {}
    for record in records:
        line = plan.line(record["stage"], record.get("source"))
        if line:
            was = {**record, "memory_mb": record.get("peak_rss_mb", 0.0)}
            both = ({q: getattr(line, q) for q in COMPARED}, {q: float(was.get(q) or 0.0) for q in COMPARED})
            pairs.setdefault(line.stage, []).append(both)
    if not pairs:
        return []
    return [
        _summed(stage, some) for stage, some in [*pairs.items(), (ALL, [p for some in pairs.values() for p in some])]
    ]


def _summed(stage: str, pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> Compared:
    def summed(side: int) -> dict[str, float]:
        return {q: (max if q == "memory_mb" else sum)(pair[side][q] for pair in pairs) for q in COMPARED}

    return Compared(stage, len(pairs), summed(0), summed(1))


def in_words(plan: Plan) -> str:
    """Return the totals of a plan in one sentence."""
    totals = plan.totals
    written = totals.bytes_written / 1e6
    unknown = sum(line.basis == NEVER for line in plan.lines)
    parts = [
        f"{totals.steps:,} steps",
        f"about {duration(totals.seconds)} ({duration(totals.cpu_seconds)} of CPU)",
        *([f"{duration(totals.gpu_seconds)} of GPU"] if totals.gpu_seconds else []),
        f"{totals.memory_mb / 1024:.1f} GB of memory",
        f"{written:,.{0 if written >= 10 else 1}f} MB to write",
        *([f"{totals.tokens:,} tokens to read by models"] if totals.tokens else []),
    ]
    without = f"; {unknown:,} of the steps have never been measured and count for nothing" if unknown else ""
    return f"expected: {', '.join(parts)}{without}"


def duration(seconds: float) -> str:
    """Return a time as people say it: seconds, minutes or hours.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
