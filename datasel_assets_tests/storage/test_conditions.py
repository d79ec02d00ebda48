"""Conditions of drop rules: what SQL makes of them, and what is refused."""

import polars as pl
import pytest

from datasel_assets.specs.recipe.condition import read_condition
from datasel_assets.storage.conditions import fitting, refuse_unasked

POOL = pl.DataFrame(
    {
        "n_tokens": [1, 5, None],
        "text.response_words": pl.Series([1.0, 2.0, 3.0], dtype=pl.Float32),
        "blend.plain-quality": [0.5, None, 0.25],
        "source": ["a", "b", "it's"],
        "category.laser": ["Math", "Coding", None],
    }
)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("n_tokens > 3", [False, True, False]),
        ("not n_tokens > 3", [True, False, False]),
        ("n_tokens is null or text.response_words < 2", [True, False, True]),
        ("text.response_words between 2 and 3 and source in ('b', 'it''s')", [False, True, True]),
        ("SOURCE_ = 1", None),
        ('"blend.plain-quality" * 2 >= 1', [True, False, False]),
        ("category.laser = 'Math' or coalesce(n_tokens, 0) = 0", [True, False, True]),
        ("case when source = 'a' then text.response_words > 0 else false end", [True, False, False]),
        ("source like 'it%'", [False, False, True]),
        ("ln(text.response_words) < 1e-9", [True, False, False]),
    ],
)
def test_a_condition_fits_the_rows_for_which_it_is_true(text: str, fits: list[bool] | None):
    if fits is None:
        with pytest.raises(ValueError, match="'SOURCE_' is not a column"):
            read_condition(text)
        return
    condition = read_condition(text)
    refuse_unasked(condition)
    assert fitting(POOL, condition).to_list() == fits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("read_text('/etc/passwd') = source", "there is no read_text"),
        ("getenv('HOME') = source", "there is no getenv"),
        ("random() < n_tokens", "there is no random"),
        ("sum(n_tokens) over () > 1", "a condition holds no window"),
        ("max(n_tokens) > 1", "there is no max"),
        ("lenght(source) > n_tokens", "did you mean 'length'"),
        ("n_tokens", "compare it with something"),
        ("n_tokens >", "syntax error"),
        ("source > 3", "Cannot compare"),
        ("n_tokens = 'many'", "Could not convert"),
    ],
)
def test_what_is_no_condition_over_one_row_is_refused_in_words(text: str, message: str):
    condition = read_condition(text)
    with pytest.raises(ValueError, match=f"where: .*({message})"):
        refuse_unasked(condition)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_tokens in (select 1)", "'select' is not a column"),
        ("n_tokens > 1 union all select 2", "'union' is not a column"),
        ("n_tokens > 1; drop table pool", "a condition holds no ';' \\(character 13\\)"),
        ("n_tokens > 1 -- all", "a condition holds no '--'"),
        ("n_tokens > $1", r"a condition holds no '\$'"),
        ("  ", "1 to 2,000 characters"),
        ("1 = 1", "names at least one column"),
        ("words > 3", "'words' is not a column"),
        ("n_tokens > 1) or (n_tokens", "closes no bracket"),
    ],
)
def test_what_names_no_column_is_refused_before_it_is_asked(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        read_condition(text)
