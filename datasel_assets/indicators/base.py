"""What an indicator is: a pure function from the tables of a producer to one column of floats, with its meaning.

Belongs here: the metadata that every indicator declares. Does not: any indicator (one concept per file beside this
one), the inputs of a family (``words.batch``, ``tokens.py``, ...), files, models.

An indicator is written once, as a function with a decorator, and named in the list of its family
(``indicators/__init__.py``). Its docstring is the documentation that users see: the first line is the short description
of the column, the formula and the source follow.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Keep = Literal["high", "low", "mid"]
"""Which rows a selection would keep: those with high, low or middling values."""

Aggregate = Literal["whole", "mean", "sum", "min", "max"]
"""How several turns become one value: over their joined text (``whole``), or from the values of the single turns."""

Part = Literal["prompt", "response"]
"""Which side of a conversation: the user's turns or the assistant's."""


@dataclass(frozen=True)
class Indicator:
    """One column of a score table.

    Attributes:
        name: column name; with ``parts``, each part is a column ``<part>_<name>``.
        keep: which values the literature keeps.
        bounds: lowest and highest possible value, None where open.
        source: paper and equation, or where the definition comes from.
        version: raised when the values change for the same input; only this column is computed anew.
        parts: sides of the conversation that it is computed for, one column each; empty where it takes the whole row.
        aggregate: how the turns of one side become one value.
        compute: the function; float64 (n,), NaN where the value is not defined.
    """

    name: str
    keep: Keep
    bounds: tuple[float | None, float | None]
    source: str
    version: str
    parts: tuple[Part, ...]
    aggregate: Aggregate
    compute: Callable[..., np.ndarray]

    def __call__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """Return the column."""
        return self.compute(*args, **kwargs)

    @property
    def doc(self) -> str:
        """The docstring of the function, without indentation."""
        return inspect.getdoc(self.compute) or ""

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it fills."""
        return tuple(f"{part}_{self.name}" for part in self.parts) or (self.name,)


def indicator(
    *,
    keep: Keep,
    source: str,
    bounds: tuple[float | None, float | None] = (None, None),
    version: str = "1",
    name: str | None = None,
    parts: tuple[Part, ...] = (),
    aggregate: Aggregate = "whole",
) -> Callable[[Callable[..., np.ndarray]], Indicator]:
    """Declare the decorated function as an indicator; its name is the function's unless ``name`` is given."""

    def declare(function: Callable[..., np.ndarray]) -> Indicator:
        found = Indicator(name or function.__name__, keep, bounds, source, version, parts, aggregate, function)
        if not found.doc:
            raise TypeError(f"the indicator {found.name} has no docstring; it is what users read")
        return found

    return declare
