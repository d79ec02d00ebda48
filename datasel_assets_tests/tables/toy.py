"""A row table over a toy corpus, whose producer remembers what it was asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from datasel_assets.settings import Settings
from datasel_assets.storage.fingerprint import digest, ids_digest, merged_sums
from datasel_assets.storage.lake import Expected, Lake
from datasel_assets.storage.lines import Lines, arrow_schema
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.making import LOG
from datasel_assets.tables.row_table import FAILED_SHARE, RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

SOURCE = "dolly"
KEY = ("toys", SOURCE)
TOYS = Kind("toys", per="source")


def value(row: str, column: str, version: str) -> float:
    """Return what the column of a row holds in a version."""
    return float(int(digest([row, column, version])[:4], 16))


@dataclass
class Producer:
    """What the table's ``compute`` does in this process.

    Attributes:
        asked: ids and columns of every call.
        loads: arguments of every load.
        killed_after: the process "dies" when it was asked so often.
        failing: row -> error that it raises.
        answer: what to return instead of what was asked for.
    """

    asked: list[tuple[list[str], list[str]]] = field(default_factory=list)
    loads: list[Mapping[str, Any]] = field(default_factory=list)
    killed_after: int | None = None
    failing: Mapping[str, Exception] = field(default_factory=dict)
    answer: Callable[[pl.DataFrame], Any] | None = None


producer = Producer()


def load(warehouse: Warehouse, **arguments: Any) -> Mapping[str, Any]:
    """Load versions of columns."""
    producer.loads.append(arguments)
    return arguments


def compute(rows: pl.DataFrame, context: Context) -> Any:
    """Return what :func:`value` says of each row and column."""
    if producer.killed_after is not None and len(producer.asked) >= producer.killed_after:
        raise KeyboardInterrupt
    ids = rows["row_id"].to_list()
    for row in ids:
        if row in producer.failing:
            raise producer.failing[row]
    producer.asked.append((ids, list(context.columns)))
    if producer.answer:
        return producer.answer(rows)
    context.note(rows=len(ids), peak_rows=len(ids), engine="toy")
    columns = {name: [value(row, name, context.arguments[name]) for row in ids] for name in context.columns}
    return pl.DataFrame({"row_id": ids, **columns}, schema_overrides={"row_id": pl.String})


class Toy:
    """One warehouse with a corpus, and the table over it."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(Settings.at(folder, "cpu"))

    @property
    def lake(self) -> Lake:
        return self.warehouse.lake

    def corpus(self, ids: Sequence[str]) -> None:
        """Publish the corpus, in the order given."""
        rows = pl.DataFrame(
            {"row_id": ids, "text": [f"text of {i}" for i in ids]}, schema_overrides={"row_id": pl.String}
        )
        expected = Expected(("corpus", SOURCE), "c", {"rows": digest(list(ids))})
        info = self.lake.write(expected, rows)
        sums = merged_sums(part.ids for part in info.parts) if len(info.parts) > 1 else ids_digest(ids)
        self.lake.write(expected, rows, meta={"ids": sums})

    def table(
        self,
        versions: Mapping[str, str],
        *,
        apart: Sequence[str] = (),
        whole: str | None = None,
        lines: Lines | None = None,
        unit_rows: int = 100,
        schema: pa.Schema | None = None,
        failed_share: float = FAILED_SHARE,
        compute: Callable[..., Any] = compute,
    ) -> Table:
        """Return the table; ``whole``: all columns come and go together with this fingerprint."""
        kinds = {"row_id": pl.String, **dict.fromkeys(sorted(versions), pl.Float32)}
        wanted = Wanted(columns_fingerprint(versions), versions=versions) if whole is None else Wanted(whole)
        together = {name: version for name, version in versions.items() if name not in apart}
        alone = {name: {name: versions[name]} for name in apart}
        return RowTable(
            rows_of=("corpus",),
            wants=lambda warehouse, source: wanted,
            work=lambda step: Work(schema or arrow_schema(kinds), ["text"], together, apart=alone),
            compute=compute,
            load=load,
            unit_rows=unit_rows,
            lines=lines,
            failed_share=failed_share,
        ).table(kind=TOYS, key=("toys",), description="", group="toys", reads=[("corpus",)])

    def above(self, versions: Mapping[str, str]) -> Table:
        """Return a table that is made from the toy table."""
        kinds = {"row_id": pl.String, **dict.fromkeys(sorted(versions), pl.Float32)}
        return RowTable(
            rows_of=("toys",),
            wants=lambda warehouse, source: Wanted(columns_fingerprint(versions), versions=versions),
            work=lambda step: Work(arrow_schema(kinds), ["x"], versions),
            compute=compute,
            load=load,
        ).table(kind=Kind("above", per="source"), key=("above",), description="", group="toys", reads=[("toys",)])

    def update(self, ids: Sequence[str], versions: Mapping[str, str], **options: Any) -> Built:
        """Publish a corpus and bring the table up to date with it."""
        self.corpus(ids)
        table = self.table(versions, **options)
        return table.build(Step(self.warehouse, table.expect(self.warehouse, SOURCE), SOURCE, "toys", LOG))

    def stored(self) -> pl.DataFrame:
        """Return the published table."""
        return self.lake.scan(KEY).collect()

    def bytes(self) -> list[bytes]:
        """Return the files of the published table."""
        return [path.read_bytes() for path in self.lake.require(KEY).files]
