"""Sources that are made, not read. Belongs here: which scheme means which module. Not here: how the rows are made."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from datasel_assets.demos import arithmetic, docstrings
from datasel_assets.raw_rows import RawRow


class Generator(Protocol):
    """What such a module offers; ``query`` are the parameters of the address, as in ``arithmetic:?rows=2000&seed=0``.

    Both raise ``SourceError`` for a query that they cannot follow.
    """

    def rows(self, query: Mapping[str, str]) -> Iterator[RawRow]:
        """Make the rows, numbered from 0."""
        ...

    def identity(self, query: Mapping[str, str]) -> list[Any]:
        """Return, without making them, JSON values that are equal only if the rows are."""
        ...


GENERATORS: dict[str, Generator] = {"arithmetic": arithmetic, "docstrings": docstrings}
