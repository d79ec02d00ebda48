"""Token statistics as lists in the columns of a table: packed, read back, summed up."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.indicators.token_lists import (
    RECORDS,
    TURN,
    TURNS,
    coverage,
    record_columns,
    stats_of,
    turns_column,
)
from datasel_assets.indicators.token_table import EMPTY, TOO_LONG, TokenStats, TokenTable, summarise

LOGP = [-1.0, -2.0, -0.5, -4.0, -0.25, -3.0]


@pytest.fixture
def stats() -> TokenStats:
    """Four rows: two turns of 2 and 1 tokens; none; one of 3 tokens; one that is too long for the context."""
    logp = np.array(LOGP, np.float32)
    half = np.full(len(logp), 0.5, np.float32)
    tokens = TokenTable(
        offsets=np.array([0, 2, 3, 6, 6]),
        token=np.arange(10, 16),
        logp=logp,
        entropy=half,
        top1=half,
        top2=half / 2,
        sum_p2=half,
        el2n=half,
        hit=logp > -1,
    )
    row, turn = np.array([0, 0, 2, 3]), np.array([0, 1, 0, 0])
    return summarise(4, row, turn, np.array([False, True, False, False]), np.array(["", "", "", TOO_LONG]), tokens)


def test_a_row_holds_the_list_of_its_turns(stats: TokenStats):
    column = turns_column(stats)
    assert column.dtype == TURNS
    assert column.list.len().to_list() == [2, 0, 1, 1]
    first, second = column.to_list()[0]
    assert first == {
        "turn": 0,
        "count": 2,
        "sum_logp": -3.0,
        "sum_entropy": 1.0,
        "sum_top1": 1.0,
        "sum_margin": 0.5,
        "min_margin": 0.25,
        "sum_el2n": 1.0,
        "sum_hit": 0.0,
        "truncated": False,
        "reason": "",
    }
    assert (second["turn"], second["count"], second["sum_hit"], second["truncated"]) == (1, 1, 1.0, True)
    [too_long] = column.to_list()[3]
    assert too_long["reason"] == TOO_LONG
    assert np.isnan(too_long["sum_logp"])


def test_statistics_come_back_from_their_column_as_they_were(stats: TokenStats):
    found = stats_of(turns_column(stats))
    assert found.n_rows == 4
    assert found.tokens is None
    for name, values in stats.columns().items():
        np.testing.assert_array_equal(found.columns()[name], values, err_msg=name)


def test_rows_without_turns_and_rows_that_are_null_come_back_without_turns():
    for column in (pl.Series([[], []], dtype=TURNS), pl.Series([None, None], dtype=TURNS)):
        found = stats_of(column)
        assert found.n_rows == 2
        assert len(found.row) == 0
        assert np.isnan(found.by_row.nll).all()


def test_a_null_among_rows_moves_no_turn_to_another_row(stats: TokenStats):
    column = turns_column(stats)
    known = stats_of(pl.concat([column[:1], pl.Series([None], dtype=TURNS), column[2:]]))
    np.testing.assert_array_equal(known.row, stats.row)
    np.testing.assert_array_equal(known.sum_logp, stats.sum_logp)


def test_a_row_holds_the_records_of_its_response_tokens_turn_after_turn(stats: TokenStats):
    found = record_columns(stats)
    assert found.keys() == RECORDS.keys()
    assert {name: column.dtype for name, column in found.items()} == {
        name: pl.List(dtype) for name, (dtype, _) in RECORDS.items()
    }
    assert found["token"].to_list() == [[10, 11, 12], [], [13, 14, 15], []]
    assert found["token_logp"].to_list() == [LOGP[:3], [], LOGP[3:], []]
    assert found["token_hit"].to_list() == [[False, False, True], [], [False, True, False], []]


def test_the_sums_and_reasons_of_a_table_are_told(stats: TokenStats):
    empty = stats_of(turns_column(stats))
    empty.reason[:3] = EMPTY
    table = pl.DataFrame(
        {"conditioned": turns_column(stats), "choices": turns_column(empty), "subnet_0": turns_column(empty)}
    )
    assert coverage(table.lazy(), ["conditioned", "subnet_0", "choices"]) == {
        "turns": 4,
        "scored_tokens": 6,
        "turns_truncated": 1,
        f"not scored, conditioned: {TOO_LONG}": 1,
        f"not scored, choices: {EMPTY}": 3,
        f"not scored, choices: {TOO_LONG}": 1,
    }


def test_a_table_whose_rows_have_no_turns_or_failed_has_sums_of_zero():
    table = pl.DataFrame({"conditioned": pl.Series([[], None], dtype=TURNS)})
    assert coverage(table.lazy(), ["conditioned"]) == {"turns": 0, "scored_tokens": 0, "turns_truncated": 0}


def test_an_entry_has_the_arrays_of_the_statistics_but_the_row():
    assert {"row", *TURN} == set(TokenStats.__dataclass_fields__) - {"n_rows", "tokens"}
