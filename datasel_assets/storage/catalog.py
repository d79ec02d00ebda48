"""The DuckDB file that people query: views over the Parquet tables, and the small tables of the project.

Belongs here: building that file and swapping it in whole. Does not belong here: which tables exist, and what is in
them; Parquet stays the store of record, and the file can be deleted and built again at any time.

A view reads the files that were published when the catalog was built, by absolute path, so it works from the DuckDB
command line in any folder. The file is written in the storage format of DuckDB 1.0, which older command lines open
too. A process that holds the file open keeps the old state until it closes it; DuckDB shares one opened file per path
within a process, so a process sees the new state once all its connections to the old one are closed. Open it read-only
(``duckdb -readonly``): what is written into it is lost with the next build.
"""

import errno
import glob
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.storage.atomic import atomic_path
from datasel_assets.storage.catalog_asked import NAMES as ASKED
from datasel_assets.storage.catalog_asked import asked_views
from datasel_assets.storage.parts import table_name
from datasel_assets.storage.shards import FAILED

STORAGE_VERSION = "v1.0.0"

RUN_COLUMNS: dict[str, Any] = {
    "finished_at": pl.Datetime("us"),
    "stage": pl.String,
    "source": pl.String,
    "run_id": pl.String,
    "rows_total": pl.Int64,
    "rows_new": pl.Int64,
    "rows_reused": pl.Int64,
    "rows_removed": pl.Int64,
    "seconds": pl.Float64,
    "cpu_seconds": pl.Float64,
    "peak_rss_mb": pl.Float64,
}
"""Columns of the small table ``runs``; times are UTC."""

EXAMPLE_QUERIES = {
    "which rows of source arithmetic did recipe random drop, and why": (
        "SELECT stage, reason, row_id, prompt_excerpt, response_excerpt\n"
        "FROM why\n"
        "WHERE source = 'arithmetic' AND recipe = 'random' AND NOT kept\n"
        "ORDER BY stage, reason, row_id"
    ),
    "how many rows each recipe dropped, by stage": (
        "SELECT recipe, stage, count(*) AS dropped, any_value(reason) AS for_example\n"
        "FROM decisions\n"
        "WHERE NOT kept\n"
        "GROUP BY recipe, stage\n"
        "ORDER BY recipe, dropped DESC, stage"
    ),
    "which rows could not be computed, and why": (
        'SELECT source, "table", row_id, reason FROM failed_rows ORDER BY source, "table", row_id'
    ),
    "rows per second of each stage": (
        "SELECT stage, rows_new, seconds, rows_per_second, peak_rss_mb FROM stage_costs ORDER BY seconds DESC"
    ),
    "overlap of two recipes": (
        "SELECT shared, jaccard FROM overlap WHERE recipe_a = 'longest' AND recipe_b = 'random'"
    ),
    "what each recipe takes from each source": (
        "SELECT recipe, corpus.source AS source, count(*) AS rows, sum(corpus.n_tokens) AS tokens\n"
        "FROM selections JOIN corpus USING (row_id)\n"
        "GROUP BY recipe, corpus.source\n"
        "ORDER BY recipe, rows DESC"
    ),
}
"""Question -> SQL, ready to paste; each runs on any catalog that has corpus, selections, decisions and runs."""

_SQL = {
    "overlap": """
WITH sizes AS (SELECT recipe, count(*) AS n FROM selections GROUP BY recipe),
pairs AS (
    SELECT a.recipe AS recipe_a, b.recipe AS recipe_b, count(*) AS n
    FROM selections AS a JOIN selections AS b ON a.row_id = b.row_id AND a.recipe < b.recipe
    GROUP BY ALL
)
SELECT
    a.recipe AS recipe_a, b.recipe AS recipe_b, a.n AS rows_a, b.n AS rows_b, coalesce(pairs.n, 0) AS shared,
    coalesce(pairs.n, 0) / (a.n + b.n - coalesce(pairs.n, 0)) AS jaccard
FROM sizes AS a
JOIN sizes AS b ON a.recipe < b.recipe
LEFT JOIN pairs ON pairs.recipe_a = a.recipe AND pairs.recipe_b = b.recipe
""",
    "stage_costs": """
SELECT
    stage, count(*) AS runs, sum(rows_new) AS rows_new, sum(rows_reused) AS rows_reused, sum(seconds) AS seconds,
    sum(cpu_seconds) AS cpu_seconds, max(peak_rss_mb) AS peak_rss_mb,
    sum(rows_new) / nullif(sum(seconds), 0) AS rows_per_second, max(finished_at) AS last_finished_at
FROM runs
GROUP BY stage
""",
}

_CONVENIENCE = {"why": {"corpus", "decisions"}, "overlap": {"selections"}, "stage_costs": {"runs"}}
"""View that the catalog adds by itself -> what it reads."""

FAILED_ROWS = "failed_rows"
"""View that the catalog always adds: the rows of any table that could not be computed, and why."""


@dataclass(frozen=True)
class CatalogInfo:
    """What a catalog holds.

    Attributes:
        views: names of the views, sorted.
        tables: small table -> rows.
        omitted: view that could not be made -> reason.
        bytes: size of the file.
    """

    path: Path
    views: tuple[str, ...]
    tables: dict[str, int]
    omitted: dict[str, str]
    bytes: int


def build_catalog(
    path: Path,
    tables: Mapping[str, Sequence[Path]],
    small: Mapping[str, pl.DataFrame],
    *,
    labels: Mapping[str, str] | None = None,
) -> CatalogInfo:
    """Build the catalog beside ``path`` and swap it in; readers see the old file or the new one, never half of one.

    There is always ``failed_rows`` (source, table, row_id, reason): the rows that could not be computed, of all views
    with the columns ``row_id`` and ``failed``. Where their inputs exist there are also ``why`` (decisions with the text
    of their rows), ``overlap`` (pairs of recipes) and ``stage_costs``; and those of ``catalog_asked``.

    Args:
        path: the DuckDB file.
        tables: view name -> Parquet files; the names of files are taken literally, whatever characters they hold.
        small: table name -> rows, copied into the file. ``runs`` should come from :func:`runs_frame`.
        labels: view name -> column that the names of its tables fill (``parts.table_name``), unless its files have that
            column.

    Raises:
        FileNotFoundError: a Parquet file is missing; the old catalog stays.
        ValueError: two names differ only in case, which SQL does not tell apart.
        StorageFullError: no space left; the old catalog stays.
    """
    import duckdb

    path, labels = Path(path), labels or {}
    _check_names([*tables, *small])
    columns = {file: _columns(name, file) for name, files in tables.items() for file in files}
    omitted: dict[str, str] = {}
    views: list[str] = []
    with atomic_path(path) as temporary:
        _sweep_journals(path)
        journal = Path(f"{temporary}.wal")
        try:
            with duckdb.connect(str(temporary), config={"storage_compatibility_version": STORAGE_VERSION}) as con:
                for name, files in tables.items():
                    if not files:
                        omitted[name] = "it has no files yet"
                        continue
                    body = _union(_select(file, labels.get(name), columns[file]) for file in files)
                    con.execute(f"CREATE VIEW {identifier(name)} AS {body}")
                    views.append(name)
                for name, frame in small.items():
                    con.register("_incoming", frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
                    con.execute(f"CREATE TABLE {identifier(name)} AS SELECT * FROM _incoming")
                    con.unregister("_incoming")
                con.execute(f"CREATE VIEW {FAILED_ROWS} AS {_failed_rows(tables, labels, columns)}")
                lacking = _add_convenience_views(con, {*views, *small})
                for name, body in asked_views(views).items():
                    con.execute(f"CREATE VIEW {name} AS {body}")
                    views.append(name)
                con.execute("CHECKPOINT")
        except duckdb.Error as error:
            if "No space left" in str(error):
                raise OSError(errno.ENOSPC, str(error)) from error
            raise
        finally:
            journal.unlink(missing_ok=True)
        # A write-ahead log that someone's writing session left beside the old file would make the new one unreadable.
        Path(f"{path}.wal").unlink(missing_ok=True)
    return CatalogInfo(
        path,
        tuple(sorted({*views, FAILED_ROWS, *_CONVENIENCE} - lacking.keys())),
        {name: frame.height for name, frame in small.items()},
        omitted | lacking,
        path.stat().st_size,
    )


def runs_frame(records: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return run records (``Lake.runs``) as the small table ``runs``, with its columns even when there are none."""
    rows = [
        {column: record.get(column) for column in RUN_COLUMNS}
        | {"finished_at": datetime.fromtimestamp(record["at"], UTC).replace(tzinfo=None) if "at" in record else None}
        for record in records
    ]
    return pl.DataFrame(rows, schema=RUN_COLUMNS, strict=False)


def identifier(name: str) -> str:
    """Return ``name`` quoted as an SQL identifier.

    >>> identifier('a"b')
    '"a""b"'
    """
    if not name or "\0" in name:
        raise ValueError(f"{name!r} cannot name a table")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return ``text`` quoted as an SQL string.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """Return the absolute path of a file as an SQL string in which ``read_parquet`` finds no pattern.

    >>> file_literal(Path("/data/a[1]*.parquet"))
    "'/data/a[[]1][*].parquet'"
    """
    return literal("".join(f"[{c}]" if c in "*?[" else c for c in str(Path(path).resolve())))


def _sweep_journals(path: Path) -> None:
    """Remove write-ahead logs of builds that were killed; the database files went with ``atomic_path``."""
    for journal in path.parent.glob(f".{glob.escape(path.name)}.*.tmp.wal"):
        if not journal.with_suffix("").exists():
            journal.unlink(missing_ok=True)


def _check_names(names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in {FAILED_ROWS, *_CONVENIENCE, *ASKED}:
            raise ValueError(f"the catalog makes {name!r} itself: give this table another name")
        if name.lower() in seen:
            raise ValueError(f"the catalog cannot hold both {seen[name.lower()]!r} and {name!r}: SQL ignores case")
        seen[name.lower()] = name


def _columns(view: str, file: Path) -> list[str]:
    """Return the columns of a file of a view."""
    try:
        return pq.read_schema(file).names
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the view {view} needs {file}, which does not exist: materialise the asset that writes it"
        ) from None
    except pa.ArrowInvalid as error:
        raise ValueError(f"the view {view} needs {file}, which is not a Parquet file: {error}") from error


def _union(selects: Iterable[str]) -> str:
    """Return SQL that reads all files of a view; columns are matched by name, absent ones are null.

    One SELECT per file instead of a list of files, because its label is then a constant: a filter on source or recipe
    skips the other files without opening them.
    """
    return "\nUNION ALL BY NAME\n".join(selects)


def _select(file: Path, label: str | None, columns: Collection[str]) -> str:
    prefix = f"{literal(table_name(file))} AS {identifier(label)}, " if label and label not in columns else ""
    return f"SELECT {prefix}* FROM {_read(file)}"


def _read(file: Path) -> str:
    return f"read_parquet([{file_literal(file)}], hive_partitioning = false)"


def _failed_rows(
    tables: Mapping[str, Sequence[Path]], labels: Mapping[str, str], columns: Mapping[Path, Collection[str]]
) -> str:
    """Return SQL for the rows that could not be computed; only files that have any are read."""
    selects = []
    for view, files in tables.items():
        for file in files:
            if not {"row_id", FAILED} <= set(columns[file]):
                continue
            source = literal(table_name(file)) if labels.get(view) == "source" else "CAST(NULL AS VARCHAR)"
            source = "source" if "source" in columns[file] else source
            selects.append(
                f'SELECT {source} AS source, {literal(view)} AS "table", row_id, {FAILED} AS reason '
                f"FROM {_read(file)} WHERE {FAILED} IS NOT NULL"
            )
    names = ("source", '"table"', "row_id", "reason")
    none = ", ".join(f"CAST(NULL AS VARCHAR) AS {name}" for name in names)
    return _union(selects or [f"SELECT {none} WHERE false"])


def _add_convenience_views(con: Any, present: Collection[str]) -> dict[str, str]:
    """Make the views whose inputs exist; return the others with what they lack."""
    lacking: dict[str, str] = {}
    for name, needs in _CONVENIENCE.items():
        if missing := sorted(needs - set(present)):
            lacking[name] = f"it needs {' and '.join(missing)}"
        else:
            con.execute(f"CREATE VIEW {name} AS {_why(con) if name == 'why' else _SQL[name]}")
    return lacking


def _why(con: Any) -> str:
    """Return SQL for decisions with the source and the beginning of the text of their rows.

    A decision outlives its row when the source is retired before the recipe runs again; its text is then null.
    """
    columns = [column[0] for column in con.execute("DESCRIBE decisions").fetchall()]
    source = "coalesce(c.source, d.source)" if "source" in columns else "c.source"
    others = "".join(f"d.{identifier(name)}, " for name in columns if name not in ("recipe", "source"))
    return (
        f"SELECT d.recipe, {source} AS source, {others}"
        "left(c.prompt, 200) AS prompt_excerpt, left(c.response, 200) AS response_excerpt "
        "FROM decisions AS d LEFT JOIN corpus AS c ON c.row_id = d.row_id"
    )
