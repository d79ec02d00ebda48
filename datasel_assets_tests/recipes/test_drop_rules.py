from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from datasel_assets.recipes.drop_rules import mark_dropped
from datasel_assets.specs.recipe import DropRule


def pool(**columns) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    base = {"row_id": [f"r{i}" for i in range(n)], "source": ["a"] * n}
    return pl.DataFrame({**base, **columns})


def outcome(frame: pl.DataFrame, *rules: dict, missing: Sequence = ()) -> list[tuple[str | None, str | None]]:
    return mark_dropped(frame, [DropRule.model_validate(rule) for rule in rules], missing).rows()


def test_a_bound_drops_what_is_strictly_beyond_it_and_says_so():
    frame = pool(response_chars=[0, 1, 7])
    assert outcome(frame, {"score": "response_chars", "below": 1, "above": 5}) == [
        ("rule:1", "response_chars 0 is below 1"),
        (None, None),
        ("rule:1", "response_chars 7 is above 5"),
    ]


def test_a_missing_value_fits_no_bound():
    assert outcome(pool(n_tokens=[None, 3]), {"score": "n_tokens", "below": 9})[0] == (None, None)


def test_the_first_rule_that_fits_counts():
    frame = pool(source=["x", "y"], n_chars=[1, 1])
    rules = [{"source": ["x"]}, {"score": "n_chars", "below": 2}]
    assert outcome(frame, *rules) == [("rule:1", "source x is excluded"), ("rule:2", "n_chars 1 is below 2")]


def test_of_equal_rows_the_original_stays():
    frame = pool(source=["b", "a", "c"], duplicate_of=["r1", None, "r1"])
    assert outcome(frame, {"when": "duplicate"}) == [
        ("duplicate", "duplicate of r1 in source a"),
        (None, None),
        ("duplicate", "duplicate of r1 in source a"),
    ]


@pytest.mark.parametrize("first", [True, False])
def test_a_copy_takes_the_place_of_an_original_that_was_dropped(first):
    frame = pool(source=["a", "c", "b"], duplicate_of=[None, "r0", "r0"])
    rules = [{"when": "duplicate"}, {"source": ["a"]}]
    stages = [stage for stage, _ in outcome(frame, *(rules if first else rules[::-1]))]
    assert stages == [f"rule:{2 if first else 1}", "duplicate", None]


def test_a_copy_whose_original_left_the_pool_stays_once():
    frame = pool(source=["a", "b"], duplicate_of=["gone", "gone"])
    assert outcome(frame, {"when": "duplicate"}) == [(None, None), ("duplicate", "duplicate of r0 in source a")]


def test_rows_without_what_the_sampler_needs_are_ineligible_for_the_first_reason_that_fits():
    frame = pool(n_chars=[5, 5, 0])
    missing = [(np.array([True, False, True]), "no vector"), (np.array([True, True, True]), "no cluster")]
    assert outcome(frame, {"score": "n_chars", "below": 1}, missing=missing) == [
        ("ineligible", "no vector"),
        ("ineligible", "no cluster"),
        ("rule:1", "n_chars 0 is below 1"),
    ]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"score": "n_turns", "below": 1}], "drop rule 1 needs the column 'n_turns'"),
        ([{"when": "duplicate"}], "'when: duplicate' needs the column 'duplicate_of'"),
        ([{"score": "n_tokens", "below": 1}], "not known for any row"),
    ],
)
def test_a_column_that_is_missing_or_empty_is_named(rules, message):
    frame = pool(n_tokens=pl.Series([None, None], dtype=pl.Int32))
    with pytest.raises(ValueError, match=message):
        outcome(frame, *rules)


def test_a_quantile_drops_exactly_its_share_however_many_rows_tie():
    frame = pool(n_chars=[5] * 10)
    stages = [stage for stage, _ in outcome(frame, {"score": "n_chars", "below_quantile": 0.25})]
    assert stages == ["rule:1", "rule:1", *[None] * 8]


def test_a_band_between_two_quantiles_keeps_the_middle_and_says_why_the_rest_went():
    frame = pool(**{"lm.perplexity": [4.0, 1.0, None, 2.0, 3.0]})
    rule = {"score": "lm.perplexity", "below_quantile": 0.25, "above_quantile": 0.75}
    assert outcome(frame, rule) == [
        ("rule:1", "lm.perplexity 4.0 is in the highest 0.25 of the pool"),
        ("rule:1", "lm.perplexity 1.0 is in the lowest 0.25 of the pool"),
        (None, None),
        (None, None),
        (None, None),
    ]


def test_bands_of_rising_width_are_nested():
    frame = pool(n_chars=[(7 * i) % 23 for i in range(40)])
    kept = []
    for low in (0.4, 0.3, 0.1, 0.0):
        rule = {"score": "n_chars", "below_quantile": low, "above_quantile": 1 - low}
        kept.append({i for i, (stage, _) in enumerate(outcome(frame, rule)) if stage is None})
    assert [len(rows) for rows in kept] == [8, 16, 32, 40]
    assert kept[0] < kept[1] < kept[2] < kept[3]


def test_a_row_without_the_score_can_be_dropped_too():
    frame = pool(**{"lm.ifd": [0.5, None]})
    assert outcome(frame, {"score": "lm.ifd", "above": 1, "missing": "drop"}) == [
        (None, None),
        ("rule:1", "lm.ifd is not known"),
    ]


def test_a_row_that_holds_an_evaluation_item_is_out_whatever_the_recipe_says():
    frame = pool(contaminated=["holds item 3 of evaluation exam", None], n_chars=[1, 1])
    assert outcome(frame, {"score": "n_chars", "below": 0}) == [
        ("contaminated", "holds item 3 of evaluation exam"),
        (None, None),
    ]


@pytest.mark.parametrize("kind", ["near_duplicate", "semantic_duplicate"])
def test_other_kinds_of_copies_have_stages_of_their_own(kind):
    frame = pool(source=["b", "a"], duplicate_of=[None, None], **{f"{kind}_of": ["r1", None]})
    name = kind.replace("_", " ")
    assert outcome(frame, {"when": kind}) == [(name, f"{name} of r1 in source a"), (None, None)]


def test_what_could_not_be_computed_is_named_where_it_is_missing_and_nowhere_else():
    frame = pool(**{"lm.ifd": [None, None, 0.1, 0.9]}).with_columns(
        failed=pl.Series(["scores/lm could not be computed: too long", None, "tags/t could not be computed: x", None])
    )
    rule = {"score": "lm.ifd", "below": 0.5, "missing": "drop"}
    missing = [(np.array([False, False, False, True]), "no vector")]
    assert outcome(frame, rule, missing=missing) == [
        ("rule:1", "lm.ifd is not known; scores/lm could not be computed: too long"),
        ("rule:1", "lm.ifd is not known"),
        ("rule:1", "lm.ifd 0.1 is below 0.5"),
        ("ineligible", "no vector"),
    ]
    lacking = [(np.array([True, True, False, False]), "no vector")]
    assert [reason for _, reason in outcome(frame, missing=lacking)] == [
        "no vector; scores/lm could not be computed: too long",
        "no vector",
        None,
        None,
    ]


def test_where_everything_could_be_computed_the_reasons_are_as_ever():
    frame = pool(n_chars=[None, 3])
    rule = {"score": "n_chars", "below": 1, "missing": "drop"}
    without = outcome(frame, rule)
    nothing = pl.lit(None, dtype=pl.String)
    assert (
        outcome(frame.with_columns(failed=nothing), rule)
        == without
        == [("rule:1", "n_chars is not known"), (None,) * 2]
    )
