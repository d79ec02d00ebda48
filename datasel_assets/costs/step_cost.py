"""How the cost of one step follows from its work. Does not belong here: where the figures come from (``known``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from datasel_assets.costs.line import Line

Per = Literal["rows", "tokens", "encoded", "nothing"]
QUANTITIES = ("seconds", "cpu_seconds", "memory_mb", "bytes_written")
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
    """

    per: Per
    exponent: float
    lines: Mapping[str, Line]

    def at(self, work: Work) -> Cost:
        """Return what so much work costs."""
        size = self.size(work)
        return Cost(**{name: self.lines[name].at(power(size, self.exponent, name)) for name in QUANTITIES})

    def size(self, work: Work) -> float:
        """Return the work in the unit of the rates."""
        return 0.0 if self.per == "nothing" else getattr(work, self.per) / THOUSAND

    def plain(self) -> dict[str, Any]:
        """Return the step as it is kept in a file."""
        lines = {name: [float(f"{v:.4g}") for v in (line.fixed, line.rate)] for name, line in self.lines.items()}
        return {"per": self.per, "exponent": self.exponent, **lines}

    @classmethod
    def of_plain(cls, kept: Mapping[str, Any]) -> "StepCost":
        """Return what :meth:`plain` was made of."""
        return cls(kept["per"], kept["exponent"], {name: Line(*kept[name]) for name in QUANTITIES})


def power(size: float, exponent: float, quantity: str) -> float:
    """Return the work raised to the power that a quantity goes with; memory and bytes go with the work itself."""
    return size**exponent if quantity in ("seconds", "cpu_seconds") else size
