"""The table of the labels in use, and of the forms that count as one.

Does not belong here: choosing labels (``corpus.phrases``, ``corpus.tag_lists``), what a vocabulary tells
(``corpus.vocabulary``).
"""

from typing import Any

import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.corpus.phrases import fit_phrases
from datasel_assets.corpus.tag_lists import fit_tags
from datasel_assets.corpus.vocabulary import ambiguous_forms, label_counts, label_drift, rows_needed
from datasel_assets.specs.tags import TagsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.tags.candidates import TAG_CANDIDATES, source_of
from datasel_assets.tables.warehouse import Warehouse

TAG_VOCABULARY = Kind("tag_vocabulary")

FIT_ROWS = 100_000
"""Labels are chosen on at most so many rows (a hash sample); what is rare among these is rare in the pool."""

SHOWN = 20


def vocabulary_table(name: str, spec: TagsSpec) -> Table:
    """Return the table of the labels of one file in ``tags/``."""
    fingerprint = digest(
        [TAG_VOCABULARY.version, source_of(spec), spec.min_rows, spec.max_labels, FIT_ROWS, choice_of(spec)]
    )

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The tables' fingerprints tell of another tagger or column, where the rows are still the same.
        inputs = {**warehouse.versions(TAG_CANDIDATES.name, name), "drift": f"{spec.drift:g}"}
        return Expected((TAG_VOCABULARY.name, name), fingerprint, inputs)

    def build(step: Step) -> Built:
        lake, key = step.warehouse.lake, step.expected.key
        keys = _candidates(step.warehouse, name)
        lists = _sample(step.warehouse, keys)
        least = rows_needed(spec.min_rows, len(lists), sum(lake.require(each).rows for each in keys))
        made = _fit(spec, lists, least)
        stored = lake.info(key)
        moved = None
        if stored and stored.fingerprint == fingerprint:
            kept = lake.scan(key).collect()
            moved = label_drift(kept, made)
            if moved <= spec.drift:
                meta = {**stored.meta, "drift": moved}
                info = lake.write(step.expected, kept, data_version=stored.data_version, meta=meta)
                why = "no: the labels of the pool have hardly moved"
                return Built(info, 0, kept.height, 0, _facts(kept, why, drift_bits=moved), _checks(kept))
        version = digest([fingerprint, made.rows()])
        info = lake.write(step.expected, made, data_version=version, meta={"fit_rows": len(lists)})
        why = "yes: first choice" if moved is None else f"yes: the labels have moved by {moved:.3f} bits"
        facts = _facts(made, why, rows_read=len(lists), rows_a_label_needs=least)
        return Built(info, made.height, metadata=facts, checks=_checks(made))

    return Table(
        kind=TAG_VOCABULARY,
        key=(TAG_VOCABULARY.name, name),
        description=(
            f"The labels in use and the forms that count as one: at most {spec.max_labels:,} labels of at least "
            f"{spec.min_rows} rows. They stay until the labels of the pool have moved by {spec.drift:g} bits "
            "(Jensen-Shannon), so that an increment tags new rows only."
        ),
        group="clusters_tags",
        reads=[(TAG_CANDIDATES.name, name)],
        expect=expect,
        build=build,
        checks={"one_label_per_form": "no form counts as two labels"},
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint,
        columns={
            "kind": "word: a form of a word; label: a form of a label.",
            "form": "What is found in a row.",
            "label": "What it counts as.",
            "rows": "Rows of the sample that hold the form.",
        },
        lineage={column: [((TAG_CANDIDATES.name, name), "tags")] for column in ("form", "label", "rows")},
    )


def choice_of(spec: TagsSpec) -> object:
    """Return what of the phrases decides labels and tags, for fingerprints."""
    return spec.of_phrases.model_dump() if spec.of_phrases else None


def _candidates(warehouse: Warehouse, name: str) -> list[Key]:
    keys = [(TAG_CANDIDATES.name, name, source) for source in warehouse.active_sources()]
    return [key for key in keys if warehouse.lake.info(key)]


def _sample(warehouse: Warehouse, keys: list[Key]) -> pl.Series:
    """Return the candidates of a hash sample of the pool, in an order that does not depend on the files."""
    scans = [warehouse.lake.scan(key).select("row_id", "tags") for key in keys]
    ids = pl.concat(scan.select("row_id") for scan in scans).collect()["row_id"].sort()
    picked = ids.gather(hash_sample(ids.to_list(), FIT_ROWS, 0)).to_frame().lazy()
    found = pl.concat(scan.join(picked, on="row_id", how="semi") for scan in scans).collect()
    return found.sort("row_id")["tags"]


def _fit(spec: TagsSpec, lists: pl.Series, least: int) -> pl.DataFrame:
    if spec.of_phrases:
        return fit_phrases(lists, spec.of_phrases, least, spec.max_labels)
    return fit_tags(lists, least, spec.max_labels)


def _facts(vocabulary: pl.DataFrame, chosen: str, **figures: float) -> dict[str, Any]:
    labels = label_counts(vocabulary).sort(["rows", "label"], descending=[True, False])
    return {
        "chosen": chosen,
        **figures,
        "labels": labels.height,
        "forms": vocabulary.height,
        "most_frequent": sample_table(labels, ["label", "rows", "forms"], rows=SHOWN),
        "rarest": sample_table(labels.tail(SHOWN // 2), ["label", "rows", "forms"], rows=SHOWN // 2),
    }


def _checks(vocabulary: pl.DataFrame) -> dict[str, Check]:
    return {"one_label_per_form": Check(ambiguous_forms(vocabulary) == 0, {"forms": vocabulary.height})}
