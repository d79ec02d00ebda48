"""Write one release. Belongs here: which files there are and what the version is a hash of. Not: their shapes."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.schema import check_slug
from datasel_assets.storage.release.card import dataset_card, licence_list
from datasel_assets.storage.release.conversations import (
    NotExpressibleError,
    json_line,
    require_llamafactory,
    to_alpaca,
    to_messages,
    to_sharegpt,
)
from datasel_assets.storage.release.folder import (
    MANIFEST,
    Release,
    building,
    point_latest,
    publish,
    sha256,
    verified,
)
from datasel_assets.storage.release.licences import hub_metadata, is_non_commercial, normalised
from datasel_assets.storage.release.provenance import SourceShare, source_shares
from datasel_assets.storage.release.trainers import trainer_configs

Format = Literal["messages", "alpaca", "sharegpt"]

FORMATS = ("messages", "alpaca", "sharegpt")
COLUMNS = ("row_id", "source", "messages", "rank", "score", "n_tokens", "n_response_tokens", "extra")
"""Columns that the rows must have and that lead ``train.parquet``; any further ones follow by name."""

_NOT_EXPORTED = {"prompt", "response"}
"""Copies of text in ``messages``; trainers take a column ``prompt`` for another kind of dataset."""

_ROW_GROUP = 8192

Skipped = dict[str, dict[str, list[str]]]
"""Format -> reason -> row ids."""


def write_release(
    root: Path,
    recipe: str,
    rows: pl.DataFrame,
    *,
    spec: Mapping[str, Any],
    formats: Sequence[Format] = ("messages",),
    inputs: Mapping[str, str],
    sources: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, str],
    reproduce: str,
    pool_rows: int | None = None,
    report_html: bytes | None = None,
) -> Release:
    """Publish ``rows`` as ``<root>/<recipe>/<version>/`` and point ``<root>/<recipe>/latest`` at it.

    The version is a hash of the data files, the recipe and the licences of the sources used. Rows are written by rank,
    and data files hold no clock, so equal inputs give equal bytes and a release that exists already is left as it is.
    Needs about three times the memory of the rows.

    Args:
        root: the releases folder.
        recipe: name of the recipe, a slug.
        rows: selected conversations with :data:`COLUMNS`; prompt and response are ignored, other columns are exported.
        spec: the recipe as a mapping of plain values, every default filled in, seeds included.
        formats: data files besides ``train.jsonl`` and ``train.parquet``, which are always written.
        inputs: table name -> data version of everything that the selection read.
        sources: source -> ``licence``, ``uri`` (one, a list, or joined by commas), ``doc``.
        versions: package -> version.
        reproduce: shell command that makes this release again.
        pool_rows: rows that the recipe chose from.
        report_html: the report of the selection, stored as ``report.html``.

    Raises:
        ValueError: bad recipe name, unknown format, missing columns, no rows, repeated ids.
        StorageFullError: no space left; nothing was published and earlier releases are intact.
        ReleaseDamagedError: the same content was released before, and those files have changed since.
    """
    check_slug(recipe)
    _check(recipe, rows, formats)
    rows = rows.sort("rank", "row_id", nulls_last=True)
    shares = source_shares(rows, sources)
    home = Path(root) / recipe
    with building(home) as folder:
        skipped = _write_data(folder, rows, formats)
        data_files = sorted(path.name for path in folder.iterdir())
        version = _version(folder, data_files, recipe, spec, {s.name: normalised(s.licence) for s in shares})
        final = home / version
        if final.exists():
            release = verified(final)
        else:
            facts = {
                "recipe": recipe,
                "version": version,
                "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "rows": rows.height,
                "pool_rows": pool_rows,
                "tokens": _tokens(rows),
                "data_files": data_files,
                "inputs": dict(inputs),
                "spec": dict(spec),
                "seeds": dict(_seeds(spec)),
                "versions": dict(versions),
                "sources": {share.name: asdict(share) for share in shares},
                "non_commercial": [share.name for share in shares if is_non_commercial(share.licence)],
                "not_expressible": skipped,
                "reproduce": reproduce,
            }
            _write_about(folder, facts, shares, report_html)
            created = publish(folder, final)
            release = replace(verified(final), created=created)
        point_latest(home, version)
    return release


def _check(recipe: str, rows: pl.DataFrame, formats: Sequence[str]) -> None:
    if unknown := sorted(set(formats) - set(FORMATS)):
        raise ValueError(f"unknown release formats {unknown}: allowed are {', '.join(FORMATS)}")
    if missing := [column for column in COLUMNS if column not in rows.columns]:
        raise ValueError(f"the rows of release {recipe} lack the columns {missing}")
    if rows.is_empty():
        raise ValueError(f"recipe {recipe} selected no rows, so there is nothing to release: loosen its drop rules")
    if rows["row_id"].n_unique() != rows.height or rows["row_id"].null_count():
        raise ValueError(f"the rows of release {recipe} repeat a row_id or lack one")


def _write_data(folder: Path, rows: pl.DataFrame, formats: Sequence[str]) -> Skipped:
    """Write the data files; return which rows a format could not hold."""
    _write_parquet(folder / "train.parquet", rows)
    _write_lines(folder / "train.jsonl", (to_messages(messages) for _, messages in _conversations(rows)))
    skipped: Skipped = {"llamafactory": _skipped(rows, require_llamafactory)}
    if "sharegpt" in formats:
        _write_lines(folder / "sharegpt.jsonl", (to_sharegpt(messages) for _, messages in _conversations(rows)))
    if "alpaca" in formats:
        skipped["alpaca"] = _skipped(rows, to_alpaca)
        left_out = {row_id for row_ids in skipped["alpaca"].values() for row_id in row_ids}
        if len(left_out) < rows.height:
            kept = (to_alpaca(messages) for row_id, messages in _conversations(rows) if row_id not in left_out)
            _write_array(folder / "alpaca.json", kept)
    return {name: reasons for name, reasons in skipped.items() if reasons}


def _write_about(
    folder: Path, facts: Mapping[str, Any], shares: Sequence[SourceShare], report_html: bytes | None
) -> None:
    """Write everything that describes the data files: configs, report, card, licences and, last, the manifest."""
    texts = trainer_configs(facts["recipe"], facts["data_files"], facts["tokens"]["longest"])
    texts["README.md"] = dataset_card(facts, shares, has_report=report_html is not None)
    if "license_link" in hub_metadata(share.licence for share in shares):
        texts["LICENSE.md"] = licence_list(shares)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    if report_html is not None:
        (folder / "report.html").write_bytes(report_html)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size} for path in files
    }
    text = json.dumps({**facts, "files": hashes}, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def _conversations(rows: pl.DataFrame) -> Iterator[tuple[str, list[dict[str, str]]]]:
    yield from rows.select("row_id", "messages").iter_rows()


def _skipped(rows: pl.DataFrame, convert: Callable[[list[dict[str, str]]], object]) -> dict[str, list[str]]:
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for row_id, messages in _conversations(rows):
        try:
            convert(messages)
        except NotExpressibleError as error:
            reasons[str(error)].append(row_id)
    return dict(reasons)


def _write_lines(path: Path, values: Iterable[object]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(json_line(value) + "\n" for value in values)


def _write_array(path: Path, values: Iterable[object]) -> None:
    """Write a JSON array with one element per line: readable, and diffs by row."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        for index, value in enumerate(values):
            handle.write(("[\n" if index == 0 else ",\n") + json_line(value))
        handle.write("\n]\n")


def _write_parquet(path: Path, rows: pl.DataFrame) -> None:
    """Write columns, types and row groups in a fixed way: bytes must not depend on how the frame was cut."""
    others = sorted(set(rows.columns) - set(COLUMNS) - _NOT_EXPORTED)
    rows = rows.select(*COLUMNS, *others)
    schema = _plain_schema(rows.clear().to_arrow(compat_level=pl.CompatLevel.oldest()).schema)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows.height, _ROW_GROUP):
            piece = rows.slice(start, _ROW_GROUP).to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(piece.cast(schema).combine_chunks(), row_group_size=_ROW_GROUP)


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    """Replace the 64-bit strings and lists of Polars by the ordinary ones, which every reader takes."""

    def plain(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_large_string(kind):
            return pa.string()
        if pa.types.is_large_list(kind):
            return pa.list_(plain(kind.value_type))
        if pa.types.is_struct(kind):
            return pa.struct([pa.field(f.name, plain(f.type)) for f in kind])
        return kind

    return pa.schema([pa.field(f.name, plain(f.type)) for f in schema])


def _version(
    folder: Path, data_files: Sequence[str], recipe: str, spec: Mapping[str, Any], licences: Mapping[str, str]
) -> str:
    """Return 12 hex digits over what a user of the release relies on: rows, recipe, terms."""
    content = {
        "files": {name: sha256(folder / name) for name in data_files},
        "recipe": recipe,
        "spec": dict(spec),
        "licences": dict(licences),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _tokens(rows: pl.DataFrame) -> dict[str, int | None]:
    """Return token counts over the rows that have one; None where none has."""
    counted = rows["n_tokens"].drop_nulls()
    responses = rows["n_response_tokens"].drop_nulls()
    return {
        "total": int(counted.sum()) if len(counted) else None,
        "response": int(responses.sum()) if len(responses) else None,
        "longest": int(counted.max()) if len(counted) else None,  # type: ignore[arg-type]
        "rows_without_count": rows.height - len(counted),
    }


def _seeds(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every ``seed`` of the recipe with its dotted path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            if str(key) == "seed" or str(key).endswith("_seed"):
                yield here, item
            else:
                yield from _seeds(item, here)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _seeds(item, f"{path}[{index}]")
