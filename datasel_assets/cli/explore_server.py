"""The page over the rows of a pool, on the loopback interface.

Belongs here: what the page asks and is answered. Does not: how it is found out (``storage.exploration``,
``tables.exploring``), the page (``explore_page``), what every page is held to (``page_server``).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from datasel_assets.cli.loopback import HOST, running
from datasel_assets.cli.page_server import PageServer
from datasel_assets.settings import Settings
from datasel_assets.storage.exploration.database import PoolDatabase, packed
from datasel_assets.storage.exploration.filters import filter_of
from datasel_assets.tables.exploring import about_row
from datasel_assets.tables.exploring.drop_rules import rules_of
from datasel_assets.tables.exploring.pool_rows import open_pool, table_versions
from datasel_assets.tables.warehouse import Warehouse

FOLDER = Path(__file__).with_name("explore_page")
PAGE = FOLDER / "index.html"
FILES = {f"/{path.name}": path for path in sorted(FOLDER.iterdir()) if path.suffix in (".js", ".css")}
MOST_LISTED = 100


@dataclass(frozen=True)
class Explored:
    """The rows as they were read once.

    Attributes:
        warehouse: the tables, with the registry files of that time.
        pool: the rows.
        cuts: recipe -> where it drew its line.
        versions: of the tables, by name.
    """

    warehouse: Warehouse
    pool: PoolDatabase
    cuts: Mapping[str, about_row.Cut]
    versions: Mapping[str, str]


class Rows:
    """The rows of a data folder, read when somebody first asks for them, and again when they have changed.

    Args:
        settings: of the data folder.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, Lock()
        self._now: Explored | None = None

    def now(self, *, look: bool = False) -> Explored:
        """Return the rows.

        Args:
            look: whether to look for changes since they were read.

        Raises:
            ValueError: nothing was ingested.
        """
        with self._lock:
            if self._now is None or look:
                warehouse = Warehouse(self._settings)
                versions = table_versions(warehouse)
                if self._now is None or versions != self._now.versions:
                    self._now = Explored(warehouse, open_pool(warehouse), about_row.cuts(warehouse), versions)
            return self._now


@contextmanager
def serve_rows(rows: Rows, port: int) -> Iterator[str]:
    """Serve the page while the block runs; gives the address.

    Args:
        rows: what it shows.
        port: the port to take; where another process has it, any that is free.
    """
    told = _Asked(rows)
    actions = {"/about": told.about, "/view": told.view, "/map": told.map, "/row": told.row, "/rule": told.rule}
    try:
        server = PageServer((HOST, port), PAGE, actions, FILES)
    except OSError:
        server = PageServer((HOST, 0), PAGE, actions, FILES)
    with running(server) as address:
        yield address


class _Asked:
    """What the page may ask; every question but the first is answered by the rows that the first one found."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @property
    def pool(self) -> PoolDatabase:
        return self.rows.now().pool

    def about(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Say what can be filtered by."""
        explored = self.rows.now(look=True)
        columns, registry = explored.pool.columns, explored.warehouse.registry
        keep = registry.score_keep()
        return {
            "folder": str(explored.warehouse.settings.data),
            "rows": self.pool.height,
            "numbers": list(columns.numbers),
            "keep": {name: keep[name] for name in columns.numbers if name in keep},
            "categories": {name: list(values) for name, values in columns.categories.items()},
            "tags": {name: self.pool.common_tags(name) for name in columns.tags},
            "recipes": {
                name: {"stages": list(stages), "doc": registry.recipes[name].doc}
                for name, stages in columns.recipes.items()
            },
            "clusters": list(columns.clusters),
            "has_map": columns.has_map,
            "shares": self.pool.shares(self.pool.matching(filter_of({}))),
        }

    def view(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Give what a filter leaves: how many, some of them, the bins of a column, and which they are."""
        wanted = filter_of(asked.get("filter"))
        rows = self.pool.matching(wanted)
        sort, column = asked.get("sort") or None, str(asked.get("column"))
        page = self.pool.page(
            rows,
            sort=None if sort is None else str(sort),
            descending=bool(asked.get("descending")),
            start=_whole(asked.get("start")),
            count=MOST_LISTED,
        )
        found = {**self.pool.shares(rows), "page": page, "mask": packed(rows)}
        if column in self.pool.columns.numbers:
            found["histogram"] = self.pool.histogram(column, rows, str(asked.get("beside") or "pool"))
        compared = asked.get("compare")
        if isinstance(compared, list) and len(compared) == 2:
            found["compared"] = self.pool.compared(wanted, *map(str, compared))
        return found

    def map(self, asked: Mapping[str, Any]) -> bytes:
        """Give the places of all rows."""
        return self.pool.map_bytes()

    def row(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Give everything that is known of one row, named by its position or its id."""
        given = asked.get("row_id")
        position = _whole(asked.get("i")) if given is None else self.pool.position_of(str(given))
        listed = self.pool.rows_at([position]) if position is not None else []
        if not listed:
            raise ValueError("the pool has no such row; it may have left since this page was started")
        row = listed[0]
        row_id, source = row["row_id"], row["source"]
        numbers = self.pool.numbers_of(row["i"])
        explored = self.rows.now()
        warehouse = explored.warehouse
        try:
            told = {
                **about_row.conversation(warehouse, source, row_id),
                "copies": [self._named(copy["other"]) | copy for copy in about_row.copies(warehouse, row_id)],
                "neighbours": [self._named(near["row_id"]) | near for near in about_row.neighbours(warehouse, row_id)],
                "evaluations": about_row.evaluations(warehouse, source, row_id),
                "answers": list(about_row.answers(warehouse, source, row_id)),
                "decisions": about_row.decisions(warehouse, row_id, numbers, explored.cuts),
            }
        except (LookupError, FileNotFoundError) as error:
            raise ValueError(f"the tables have changed since this page was loaded; load it again ({error})") from error
        return {
            **{"row_id": row_id, "i": row["i"], "source": source, "numbers": numbers},
            **self.pool.labels_of(row["i"]),
            **told,
        }

    def _named(self, row_id: str) -> dict[str, Any]:
        """Return what a row is shown by where another one names it."""
        position = self.pool.position_of(row_id)
        if position is None:
            return {"i": None, "source": None, "prompt": None}
        row = self.pool.rows_at([position])[0]
        return {name: row[name] for name in ("i", "source", "prompt", "response")}

    def rule(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Give a filter as drop rules of a recipe."""
        rules = rules_of(filter_of(asked.get("filter")), keep=asked.get("keep") is True)
        return {"yaml": rules.yaml, "unsaid": list(rules.unsaid)}


def _whole(given: object) -> int:
    """Return a number that is not negative.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(given, int) or given < 0:
        raise ValueError(f"a whole number was expected, not {str(given)[:40]!r}")
    return given
