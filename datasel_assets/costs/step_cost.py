"""How the cost of one step follows from its work. Does not belong here: where the figures come from (``known``)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from datasel_assets.costs.line import Line

Per = Literal["rows", "tokens", "encoded", "nothing"]
TIMES = ("seconds", "cpu_seconds")
QUANTITIES = (*TIMES, "memory_mb", "bytes_written")
THOUSAND = 1000.0
READ_TOKENS = 256


@dataclass(frozen=True)
class Work:
    """What a step has to do.

    Attributes:
        rows: conversations behind it.
        tokens: of these conversations.
        encoded: of each conversation the first :data:`READ_TOKENS`, which is what an encoder reads of it.
    """

    rows: float
    tokens: float
    encoded: float

    def share(self, part: float) -> "Work":
        """Return a part of the work."""
        return Work(self.rows * part, self.tokens * part, self.encoded * part)


@dataclass(frozen=True)
class Cost:
    """What a step takes.

    Attributes:
        seconds: on the wall.
        cpu_seconds: of all cores together.
        memory_mb: that it adds to what its process holds already, at the highest.
        bytes_written: of the tables that it publishes.
    """

    seconds: float
    cpu_seconds: float
    memory_mb: float
    bytes_written: float


@dataclass(frozen=True)
class StepCost:
    """A fixed cost and a rate for each quantity.

    Attributes:
        per: what is counted as work, in thousands; ``nothing``: the cost is the same whatever the pool.
        exponent: power of the work that seconds go with: 1 where twice the work takes twice as long.
        lines: quantity (one of :data:`QUANTITIES`) -> its line.
        once: quantity -> what the first source of a run costs besides: words that are loaded, loops that are compiled.
    """

    per: Per
    exponent: float
    lines: Mapping[str, Line]
    once: Mapping[str, float] = field(default_factory=dict)

    def at(self, computed: Work, whole: Work, *, first: bool = True) -> Cost:
        """Return what a step costs.

        Args:
            computed: work of the rows that are computed: what seconds go with.
            whole: work of all rows of its tables: what memory and bytes go with, since files are written whole.
            first: it is the first source of a run that has this step.
        """
        figures = {}
        for name in QUANTITIES:
            timed = name in TIMES
            size = self.size(computed if timed else whole)
            figure = self.lines[name].at(size**self.exponent if timed else size)
            figures[name] = figure + (self.once.get(name, 0.0) if first else 0.0)
        return Cost(**figures)

    def size(self, work: Work) -> float:
        """Return the work in the unit of the rates."""
        return 0.0 if self.per == "nothing" else getattr(work, self.per) / THOUSAND

    def plain(self) -> dict[str, Any]:
        """Return the step as it is kept in a file."""
        lines = {name: [float(f"{v:.4g}") for v in (line.fixed, line.rate)] for name, line in self.lines.items()}
        once = {name: float(f"{value:.4g}") for name, value in self.once.items()}
        return {"per": self.per, "exponent": self.exponent, **lines, **({"once": once} if once else {})}

    @classmethod
    def of_plain(cls, kept: Mapping[str, Any]) -> "StepCost":
        """Return what :meth:`plain` was made of."""
        lines = {name: Line(*kept[name]) for name in QUANTITIES}
        return cls(kept["per"], kept["exponent"], lines, kept.get("once", {}))
