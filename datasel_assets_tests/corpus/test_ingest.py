"""Every row that goes in comes out on one side, with the columns that the contract names."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.corpus import (
    CORPUS_SCHEMA,
    QUARANTINE_SCHEMA,
    FormatError,
    Ingest,
    content_hash,
    exact_duplicates,
    ingest,
    row_id,
)
from datasel_assets.corpus import ingest as ingest_function
from datasel_assets.formats import FORMATS
from datasel_assets.raw_rows import RawRow


def raw(records: Iterable[dict | None]) -> list[RawRow]:
    return [RawRow(i, r, None if r is not None else "broken JSON: x", None) for i, r in enumerate(records)]


def tables(run: Ingest) -> tuple[pa.Table, pa.Table]:
    batches = list(run)
    corpus = pa.Table.from_batches([batch.corpus for batch in batches], CORPUS_SCHEMA)
    quarantine = pa.Table.from_batches([batch.quarantine for batch in batches], QUARANTINE_SCHEMA)
    assert run.summary.rows_in == run.summary.kept + run.summary.quarantined
    assert (run.summary.kept, run.summary.quarantined) == (corpus.num_rows, quarantine.num_rows)
    return corpus, quarantine


def alpaca(instruction: str, output: Any, **extra: Any) -> dict:
    return {"instruction": instruction, "input": "", "output": output, **extra}


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_a_conversation_fills_every_column():
    turns = [
        ("system", "Be kind."),
        ("user", "One two?"),
        ("assistant", "Three."),
        ("user", "Four"),
        ("assistant", "5 6 7"),
    ]
    record = {"messages": [{"role": r, "content": c} for r, c in turns], "label": True}
    corpus, quarantine = tables(ingest(raw([record]), source="chat", count_tokens=words))
    content = content_hash(turns)
    assert quarantine.num_rows == 0
    assert corpus.to_pylist() == [
        {
            "row_id": row_id("chat", content, 0),
            "source": "chat",
            "position": 0,
            "messages": [{"role": r, "content": c} for r, c in turns],
            "n_turns": 5,
            "prompt": "Be kind.\n\nOne two?\n\nThree.\n\nFour",
            "response": "5 6 7",
            "n_chars": 31,
            "n_tokens": 9,
            "n_response_tokens": 4,
            "content_hash": content,
            "extra": '{"label": true}',
            "tools": None,
            "untrained": None,
            "images": None,
        }
    ]


def test_without_a_counter_tokens_are_null():
    corpus, _ = tables(ingest(raw([alpaca("Q", "A")]), source="s"))
    assert corpus["n_tokens"].null_count == corpus["n_response_tokens"].null_count == 1


def test_a_row_without_a_response_goes_to_quarantine_with_its_position_and_reason():
    run = ingest(raw([alpaca("Q", "A"), alpaca("R", ""), None, alpaca("S", [5])]), source="s")
    corpus, quarantine = tables(run)
    assert corpus["position"].to_pylist() == [0]
    assert quarantine.to_pylist() == [
        {
            "position": 1,
            "raw": '{"input": "", "instruction": "R", "output": ""}',
            "reason": "empty response: the final assistant message has no text",
        },
        {"position": 2, "raw": "", "reason": "broken JSON: x"},
        {
            "position": 3,
            "raw": '{"input": "", "instruction": "S", "output": [5]}',
            "reason": "wrong type: column 'output' holds a list where text is needed",
        },
    ]
    assert run.summary.quarantined_share == 0.75
    assert run.summary.top_reasons(2) == [("broken JSON", 1), ("empty response", 1)]


record_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3), max_size=2)
)
any_record = st.none() | st.dictionaries(
    st.sampled_from(["instruction", "input", "output", "text", "messages", "conversations", "question", "x", ""]),
    record_values
    | st.lists(st.dictionaries(st.sampled_from(["role", "content", "from", "value", "k"]), record_values)),
    max_size=5,
)


@given(st.lists(any_record, max_size=10), st.integers(1, 4), st.booleans())
def test_whatever_comes_in_is_accounted_for(records: list, batch_rows: int, counted: bool):
    rows = raw([{"text": "a row that says what the schema is"}, *records])
    run = ingest(rows, source="s", format="text", batch_rows=batch_rows, count_tokens=words if counted else None)
    corpus, quarantine = tables(run)
    assert run.summary.rows_in == len(rows)
    positions = corpus["position"].to_pylist() + quarantine["position"].to_pylist()
    assert sorted(positions) == list(range(len(rows)))
    assert all(":" in reason for reason in quarantine["reason"].to_pylist())
    assert all(isinstance(json.loads(extra), dict) for extra in corpus["extra"].to_pylist())


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "text"])
@settings(max_examples=50)
@given(records=st.lists(any_record, max_size=6))
def test_no_record_makes_a_converter_fail(format: str, records: list):
    tables(ingest(raw(records), source="s", format=format))


pairs = st.lists(
    st.tuples(st.sampled_from(["Q", "q ", "é", "e\u0301"]), st.sampled_from(["A", "B", "", " A"])), max_size=12
)


@given(pairs, st.randoms(), st.integers(1, 5))
def test_ids_do_not_depend_on_order_batches_or_rows_appended_later(rows: list, random, batch_rows: int):
    def ids(pairs: list, batch_rows: int = 100) -> list[str]:
        run = ingest(raw(alpaca(q, a) for q, a in pairs), source="s", format="alpaca", batch_rows=batch_rows)
        return tables(run)[0]["row_id"].to_pylist()

    before = ids(rows)
    assert len(set(before)) == len(before)
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert Counter(ids(shuffled, batch_rows)) == Counter(before)
    assert ids(rows + shuffled)[: len(before)] == before


def test_batches_hold_the_rows_they_are_asked_to_in_order():
    run = ingest(raw(alpaca(str(i), "A" if i % 3 else "") for i in range(10)), source="s", batch_rows=4)
    sizes = [(batch.corpus.num_rows, batch.quarantine.num_rows) for batch in run]
    assert sizes == [(2, 2), (3, 1), (1, 1)]


def test_a_batch_of_huge_rows_ends_early(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(ingest_function.__globals__, "BATCH_CHARS", 1000)
    run = ingest(raw(alpaca("Q", "A" * 600) for _ in range(3)), source="s")
    assert [batch.corpus.num_rows for batch in run] == [1, 1, 1]


def test_the_summary_counts_along_and_shows_the_detection():
    run = ingest(raw(alpaca(str(i), "A") for i in range(1000)), source="s", batch_rows=300)
    assert run.summary.detection is None
    next(iter(run))
    assert run.summary.rows_in == 300
    assert run.summary.detection is not None
    assert run.summary.detection.format == "alpaca"


def test_rows_are_read_only_as_far_as_needed():
    def endless():
        i = 0
        while True:
            yield RawRow(i, alpaca(str(i), "A"))
            i += 1

    batches = iter(ingest(endless(), source="s", batch_rows=50))
    assert next(batches).corpus.num_rows == 50


def test_an_empty_source_is_empty():
    run = ingest([], source="s")
    corpus, quarantine = tables(run)
    assert (corpus.num_rows, quarantine.num_rows, run.summary.quarantined_share) == (0, 0, 0.0)


def test_unreadable_rows_alone_need_no_schema_and_a_late_readable_one_gives_it():
    run = ingest(raw([None] * 300), source="s")
    assert tables(run)[1].num_rows == 300
    assert run.summary.detection is None
    run = ingest(raw([None] * 300 + [alpaca("Q", "A")]), source="s")
    assert tables(run)[0].num_rows == 1


def test_a_schema_that_cannot_be_told_stops_before_the_first_batch():
    with pytest.raises(FormatError):
        next(iter(ingest(raw([{"left": "a", "right": "b"}]), source="s")))


def test_a_record_of_100_000_turns_goes_to_quarantine():
    turns = [{"role": ("user", "assistant")[i % 2], "content": "x"} for i in range(100_000)]
    _, quarantine = tables(ingest(raw([{"messages": turns}]), source="s"))
    (row,) = quarantine.to_pylist()
    assert row["reason"] == "too many turns: 100,000, the limit is limits.turns = 2,000"
    assert len(row["raw"]) == 10_000


def test_a_record_that_is_too_deep_to_walk_goes_to_quarantine():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    good = alpaca("Q", "A")
    corpus, quarantine = tables(ingest(raw([good, {**good, "tree": deep}, good]), source="s"))
    assert corpus["position"].to_pylist() == [0, 2]
    (row,) = quarantine.to_pylist()
    assert row["reason"].startswith("nested too deeply")
    assert row["raw"] == "(nested too deeply to show; fields: instruction, input, output, tree)"
    while deep:  # take it apart: freeing it at once would overflow the stack of C
        (deep,) = deep


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        ([1.5, float("-inf")], [1.5, "-inf"]),
        (date(2024, 2, 29), "2024-02-29"),
        (b"\xffraw", "\\xffraw"),
        ("half \ud800", "half \ud800"),
        ({"nested": ("tuple",)}, {"nested": ["tuple"]}),
    ],
)
def test_extra_is_valid_json_whatever_the_field_holds(value: object, shown: object):
    corpus, _ = tables(ingest(raw([alpaca("Q", "A", z=value, a=1)]), source="s"))
    extra = corpus["extra"][0].as_py()
    assert json.loads(extra, parse_constant=pytest.fail) == {"a": 1, "z": shown}
    assert extra.index('"a"') < extra.index('"z"')


def test_text_with_markup_and_sql_passes_as_text():
    evil = "<script>alert(1)</script> '; DROP TABLE rows; -- \0 | **bold**"
    corpus, _ = tables(ingest(raw([alpaca(evil, evil)]), source="s"))
    assert corpus["response"][0].as_py() == evil


def test_a_counter_that_miscounts_is_caught():
    with pytest.raises(ValueError, match="count_tokens returned 1 counts for 2 texts"):
        list(ingest(raw([alpaca("Q", "A")]), source="s", count_tokens=lambda texts: [1]))


def test_duplicates_are_found_inside_and_across_sources():
    frames = []
    for source, rows in {"a": ["x", "y", "x"], "b": [" x ", "z"]}.items():
        corpus, _ = tables(ingest(raw(alpaca(q, "A") for q in rows), source=source))
        frames.append(pl.DataFrame(pl.from_arrow(corpus.select(["row_id", "source", "content_hash", "position"]))))
    pool = pl.concat(frames)
    found = exact_duplicates(pool).join(pool, on="row_id")
    assert sorted(found["source"]) == ["a", "b"]
    (representative,) = set(found["duplicate_of"])
    first = pool.filter(pl.col("row_id") == representative).row(0, named=True)
    assert first["source"] == "a"
    assert first["position"] in (0, 2)
