"""A corpus says which of its rows are new, and is refused as a whole with its quarantine."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from datasel_assets.cli.run import _print_unmapped
from datasel_assets.settings import Settings
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.readers import SourceError
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.table import Built
from datasel_assets_tests.pools import add_source, rows

BAD = {"instruction": "Say nothing.", "output": ""}


def made(data: Path) -> Built:
    warehouse = open_warehouse(data, "cpu")
    make(warehouse, "raw_corpus", "sums")
    return make(warehouse, "corpus", "sums").built


def test_rows_that_came_stayed_and_left_are_counted_whatever_their_order(tmp_path: Path):
    add_source(tmp_path, "sums", rows("sums", 10))
    built = made(tmp_path)
    assert (built.rows_new, built.rows_reused, built.rows_removed) == (10, 0, 0)
    add_source(tmp_path, "sums", [*rows("sums", 3, start=50), *rows("sums", 8)[::-1], *rows("sums", 2)])
    built = made(tmp_path)
    assert (built.rows_new, built.rows_reused, built.rows_removed) == (5, 8, 2)
    assert built.checks["unique_ids"].details == {"rows": 13, "distinct": 13}


def test_the_version_of_a_corpus_is_that_of_its_set_of_rows(tmp_path: Path):
    add_source(tmp_path, "sums", [*rows("sums", 10), BAD])
    info = made(tmp_path).info
    lake = open_warehouse(tmp_path).lake
    ids = ids_digest(lake.scan(("corpus", "sums")).collect()["row_id"])
    assert info.meta == {"ids": ids, "quarantined": 1}
    assert info.data_version == digest([ids, info.fingerprint])
    add_source(tmp_path, "sums", [BAD, *rows("sums", 10)[::-1]])
    assert made(tmp_path).info.data_version == info.data_version


@pytest.mark.parametrize(("good", "words"), [(4, "2 of 6 rows .33.3%. cannot be used"), (0, "2 of 2 rows")])
def test_a_source_with_too_many_bad_rows_replaces_neither_table(tmp_path: Path, good: int, words: str):
    add_source(tmp_path, "sums", [*rows("sums", 10), BAD])
    made(tmp_path)
    lake = open_warehouse(tmp_path).lake
    before = [lake.require((kind, "sums")) for kind in ("corpus", "quarantine")]
    add_source(tmp_path, "sums", [*rows("sums", good), BAD, BAD])
    with pytest.raises(SourceError, match=words):
        made(tmp_path)
    assert [lake.require((kind, "sums")) for kind in ("corpus", "quarantine")] == before


def test_a_source_without_rows_says_so(tmp_path: Path):
    add_source(tmp_path, "sums", [])
    with pytest.raises(SourceError, match="no usable rows"):
        made(tmp_path)
    assert open_warehouse(tmp_path).lake.tables("corpus") == []


def test_answers_that_are_marked_as_bad_are_set_aside_and_do_not_fail_the_source(tmp_path: Path):
    good = [{"prompt": f"Question {i}?", "completion": f"Answer {i}.", "label": True} for i in range(3)]
    add_source(tmp_path, "sums", [*good, *[{**row, "label": False} for row in good]])
    built = made(tmp_path)
    assert (built.info.rows, built.metadata["rows_quarantined"]) == (3, 3)
    assert built.checks["quarantine_share"].passed
    assert built.checks["rows_accounted"].passed


def test_columns_that_no_conversation_was_given_are_on_the_page_and_in_what_a_run_says(tmp_path: Path):
    add_source(
        tmp_path, "sums", [*rows("sums", 3), {**rows("sums", 1, start=9)[0], "reasoning": "Because.", "note": "x"}]
    )
    built = made(tmp_path)
    assert dict(built.metadata["columns_unmapped"].cells) == {"reasoning": 1, "note": 1}
    assert built.metadata["known_columns_unmapped"] == "reasoning (1 rows)"
    assert built.info.meta["unmapped"] == {"reasoning": 1}
    said = io.StringIO()
    _print_unmapped(Console(file=said, width=200), Settings.at(tmp_path))
    assert said.getvalue() == (
        "not used sums: no conversation was given reasoning (1 rows); say under 'columns' where they belong\n"
    )


def test_messages_of_one_table_are_accounted_for_as_threads(tmp_path: Path):
    messages = [
        {"message_id": "a", "parent_id": None, "role": "prompter", "text": "Why?"},
        {"message_id": "b", "parent_id": "a", "role": "assistant", "text": "So."},
    ]
    add_source(tmp_path, "sums", messages)
    built = made(tmp_path)
    assert built.metadata["messages_joined"] == 1
    assert built.checks["rows_accounted"].details == {"rows_in": 2, "kept": 1, "quarantined": 0, "joined": 1}
