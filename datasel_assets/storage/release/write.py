"""Write one release. Belongs here: which files there are and what the version is a hash of. Not: their shapes."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from datasel_assets.schema import check_slug
from datasel_assets.storage.release.card import dataset_card, licence_list
from datasel_assets.storage.release.data_files import (
    COLUMNS,
    FORMATS,
    Carried,
    Format,
    carried_by,
    fields_only_in_extra,
    with_parts_in_use,
    write_data,
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
from datasel_assets.storage.release.trainers import trainer_configs, trl_files
from datasel_assets.storage.release.validation import divided
from datasel_assets.storage.release.weights import Weights, carry_weights


def write_release(
    root: Path,
    recipe: str,
    rows: pl.DataFrame,
    *,
    spec: Mapping[str, Any],
    formats: Sequence[Format] = ("messages",),
    weights: Weights = "column",
    validation: float | None = None,
    seed: int = 0,
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
        weights: how the column ``weight`` of ``rows``, if there is one, is released (``carry_weights``).
        validation: share of the rows of each source that is held back (``validation``); None for none.
        seed: of the recipe; decides how weights are rounded to whole copies.
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
    rows, weighing = carry_weights(rows.sort("rank", "row_id", nulls_last=True), weights, seed)
    rows = with_parts_in_use(rows)
    shares = source_shares(rows, sources)
    home = Path(root) / recipe
    trained, held = divided(rows, validation)
    carried = carried_by(rows, weighted=weighing is not None and weights == "column")
    with building(home) as folder:
        written = write_data(folder, trained, formats, carried)
        if held.height:
            written = written.with_more(write_data(folder, held, formats, carried, "validation"))
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
                **({"validation": {"rows": held.height, "share": validation}} if held.height else {}),
                "tokens": _tokens(rows),
                **_of_conversations(written.carried, fields_only_in_extra(rows)),
                **({"weights": weighing} if weighing else {}),
                "data_files": data_files,
                "inputs": dict(inputs),
                "spec": dict(spec),
                "seeds": dict(_seeds(spec)),
                "versions": dict(versions),
                "sources": {share.name: asdict(share) for share in shares},
                "non_commercial": [share.name for share in shares if is_non_commercial(share.licence)],
                "not_expressible": written.not_expressible,
                "reproduce": reproduce,
            }
            _write_about(folder, facts, shares, report_html, written.carried)
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


def _write_about(
    folder: Path,
    facts: Mapping[str, Any],
    shares: Sequence[SourceShare],
    report_html: bytes | None,
    carried: Carried,
) -> None:
    """Write everything that describes the data files: configs, report, card, licences and, last, the manifest."""
    texts = trainer_configs(facts["recipe"], facts["data_files"], facts["tokens"]["longest"], carried)
    texts["README.md"] = dataset_card(
        facts,
        shares,
        has_report=report_html is not None,
        configs=tuple(texts),
        trl=trl_files(facts["data_files"], carried),
    )
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


def _of_conversations(carried: Carried, only_in_extra: Mapping[str, int]) -> dict[str, Any]:
    """Return the facts about what rows have beside role and content, each where there is any."""
    counts = {name: rows for name, rows in asdict(carried).items() if rows and name != "weight"}
    return {
        **({"rows_with": counts} if counts else {}),
        **({"only_in_extra": dict(only_in_extra)} if only_in_extra else {}),
    }


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
