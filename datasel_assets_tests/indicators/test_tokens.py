"""The indicators of language-model statistics, from hand-made statistics."""

from dataclasses import replace

import numpy as np
import pytest

from datasel_assets.indicators.token_table import (
    EMPTY,
    MOST_CHOICES,
    NO_RESPONSE,
    NOT_FINITE,
    TOO_LONG,
    TokenStats,
    TokenTable,
    choice_table,
    concatenate,
    summarise,
)
from datasel_assets.indicators.tokens import NEEDS, TOKENS, computable, ensemble_uncertainty


def stats(*losses: float, counts: tuple[int, ...] | None = None, row: tuple[int, ...] | None = None) -> TokenStats:
    """One turn for each loss, of its own row unless ``row`` says otherwise."""
    m = len(losses)
    count = np.array(counts or (4,) * m)
    zeros = np.zeros(m)
    rows = np.arange(m) if row is None else np.array(row)
    return TokenStats(
        n_rows=int(rows.max(initial=-1)) + 1,
        row=rows,
        turn=np.zeros(m, np.int32),
        count=count,
        sum_logp=-np.array(losses) * count,
        sum_entropy=zeros + count,
        sum_top1=zeros + 0.5 * count,
        sum_margin=zeros + 0.25 * count,
        min_margin=np.linspace(0.1, 0.2, m),
        sum_el2n=zeros + 0.75 * count,
        sum_hit=zeros + 1,
        truncated=np.zeros(m, bool),
        reason=np.array([""] * m),
    )


def table(logp: list[float], offsets: list[int]) -> TokenTable:
    values = np.array(logp, np.float32)
    half = np.full(len(values), 0.5, np.float32)
    return TokenTable(np.array(offsets), np.arange(len(values)), values, half, half, half / 2, half, half, values > -1)


def test_the_two_ifd_scores_rank_rows_differently():
    with_prompt, without = stats(0.5, 2.4, 1.9), stats(1.0, 3.0, 2.0)
    contexts = {"conditioned": with_prompt, "unconditioned_header": without, "unconditioned_bare": without}
    by_loss, by_perplexity = TOKENS["ifd_loss_ratio"](contexts), TOKENS["ifd_perplexity_ratio"](contexts)
    np.testing.assert_allclose(by_loss, [0.5, 0.8, 0.95], atol=1e-12)
    np.testing.assert_allclose(by_perplexity, np.exp([-0.5, -0.6, -0.1]), atol=1e-12)
    np.testing.assert_allclose(by_perplexity, [0.607, 0.549, 0.905], atol=5e-4)
    assert np.argsort(by_loss).tolist() != np.argsort(by_perplexity).tolist()


def test_a_prompt_that_changes_nothing_gives_ones_and_zeros():
    same = stats(1.5, 0.7)
    contexts = {
        "conditioned": same,
        "unconditioned_header": same,
        "unconditioned_bare": same,
        "perturbed_0": same,
        "perturbed_1": same,
    }
    assert TOKENS["ifd_loss_ratio"](contexts).tolist() == [1, 1]
    assert TOKENS["ifd_perplexity_ratio"](contexts).tolist() == [1, 1]
    assert TOKENS["prompt_uncertainty"](contexts).tolist() == [0, 0]


def test_a_response_that_costs_nothing_without_its_prompt_has_no_loss_ratio():
    contexts = {"conditioned": stats(0.5), "unconditioned_header": stats(0.0)}
    assert np.isnan(TOKENS["ifd_loss_ratio"](contexts)).all()


def test_statistics_of_single_passes_follow_their_formulas():
    contexts = {"conditioned": stats(1.0, 2.0)}
    expected = {
        "nll": [1, 2],
        "perplexity": np.exp([1, 2]),
        "entropy": [1, 1],
        "least_confidence": [0.5, 0.5],
        "margin": [0.25, 0.25],
        "min_margin": [0.1, 0.2],
        "el2n": [0.75, 0.75],
        "memorisation": [0.25, 0.25],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(TOKENS[name](contexts), values, err_msg=name)


def test_turns_are_pooled_over_tokens():
    contexts = {"conditioned": stats(1.0, 4.0, 2.0, counts=(3, 1, 5), row=(0, 0, 1))}
    np.testing.assert_allclose(TOKENS["nll"](contexts), [7 / 4, 2])
    np.testing.assert_allclose(TOKENS["min_margin"](contexts), [0.1, 0.2])


def test_prompt_uncertainty_is_the_mean_change_of_probability():
    contexts = {"conditioned": stats(1.0), "perturbed_0": stats(2.0), "perturbed_1": stats(0.5)}
    whole = np.exp(-1)
    expected = (abs(np.exp(-2) - whole) + abs(np.exp(-0.5) - whole)) / 2
    np.testing.assert_allclose(TOKENS["prompt_uncertainty"](contexts), [expected])


def test_learning_complexity_is_the_mean_loss_of_the_subnets():
    contexts = {f"subnet_{k}": stats(float(k + 1)) for k in range(9)}
    np.testing.assert_allclose(TOKENS["learning_complexity"](contexts), [5])


def test_learning_complexity_over_checkpoints_is_the_mean_of_their_losses():
    contexts = {f"checkpoint_{k}": stats(float(k), 2.0) for k in range(3)}
    np.testing.assert_allclose(TOKENS["learning_complexity_checkpoints"](contexts), [1, 2])


def test_cape_reads_its_choices_from_numbered_turns():
    """Row 0: two prompts over two choices; row 1 is not multiple choice; row 2 has one prompt over three choices."""
    losses = -np.log([0.9, 0.1, 0.3, 0.7, 1.0, 0.5, 0.25, 0.25])
    found = stats(*losses, counts=(1, 1, 1, 1, 0, 1, 1, 1), row=(0, 0, 0, 0, 1, 2, 2, 2))
    found = replace(found, turn=np.array([0, 1, MOST_CHOICES, MOST_CHOICES + 1, 0, 0, 1, 2]))
    assert choice_table(found).shape == (3, 2, 3)
    np.testing.assert_allclose(TOKENS["cape"]({"choices": found}), [1 - 0.6, np.nan, 0.5])


def test_cape_is_zero_for_agreement_and_highest_for_indifference():
    certain = np.full((2, 3), -1e4)
    certain[:, 1] = 0
    assert ensemble_uncertainty(np.stack([certain, np.zeros((2, 3))])).tolist() == pytest.approx([0, 2 / 3])


def test_cape_averages_probabilities_over_prompts():
    logp = np.log(np.array([[[0.9, 0.1], [0.3, 0.7]]]))
    np.testing.assert_allclose(ensemble_uncertainty(logp), [1 - 0.6])


def test_cape_leaves_out_absent_choices_and_refuses_broken_ones():
    absent = np.log(np.array([[0.5, 0.5, 1]]))
    absent[0, 2] = -np.inf
    missing_prompt = np.stack([absent, np.full((1, 3), -np.inf)], axis=1)
    np.testing.assert_allclose(ensemble_uncertainty(missing_prompt), [0.5])
    assert np.isnan(ensemble_uncertainty(np.array([[[0.0, np.nan]]]))).all()
    assert np.isnan(ensemble_uncertainty(np.full((1, 2, 2), -np.inf))).all()


def test_a_row_without_a_response_is_nan_with_a_reason():
    one = replace(stats(1.0), n_rows=2)
    assert np.isnan(TOKENS["nll"]({"conditioned": one})).tolist() == [False, True]
    assert one.by_row.reason.tolist() == ["", NO_RESPONSE]


def test_an_empty_turn_does_not_count_and_a_failed_one_spoils_its_row():
    summary = summarise(
        3,
        np.array([0, 0, 1, 1, 2]),
        np.array([0, 1, 0, 1, 0]),
        np.array([False, False, True, False, False]),
        np.array([EMPTY, "", "", TOO_LONG, EMPTY]),
        table([-1.0, -3.0, -1.0], [0, 0, 2, 3, 3, 3]),
    )
    rows = summary.by_row
    np.testing.assert_allclose(rows.nll, [2, np.nan, np.nan])
    assert rows.reason.tolist() == ["", TOO_LONG, EMPTY]
    assert rows.truncated.tolist() == [False, True, False]
    assert (summary.n_truncated, summary.n_skipped) == (1, 1)
    np.testing.assert_allclose(rows.min_margin, [0.25, np.nan, np.nan])


def test_one_token_that_is_not_a_number_spoils_its_turn_and_says_so():
    summary = summarise(
        2,
        np.arange(2),
        np.zeros(2),
        np.zeros(2, bool),
        np.array(["", ""]),
        table([-1.0, float("nan"), -2.0], [0, 2, 3]),
    )
    np.testing.assert_allclose(summary.nll, [np.nan, 2])
    assert summary.reason.tolist() == [NOT_FINITE, ""]


def test_blocks_of_rows_join_to_the_whole():
    joined = concatenate([stats(1.0, 2.0), stats(3.0)])
    assert joined.row.tolist() == [0, 1, 2]
    np.testing.assert_allclose(joined.by_row.nll, [1, 2, 3])
    again = TokenStats.from_columns(joined.columns(), joined.n_rows)
    np.testing.assert_allclose(again.by_row.nll, [1, 2, 3])


def test_a_missing_context_is_named():
    with pytest.raises(KeyError, match="unconditioned_bare"):
        TOKENS["ifd_perplexity_ratio"]({"conditioned": stats(1.0)})
    with pytest.raises(KeyError, match="perturbed_<k>"):
        TOKENS["prompt_uncertainty"]({"conditioned": stats(1.0)})
    with pytest.raises(KeyError, match="choices"):
        TOKENS["cape"]({"conditioned": stats(1.0)})


def test_only_indicators_whose_contexts_are_there_are_computable():
    assert set(TOKENS) - set(computable({"conditioned": stats(1.0)})) == set(NEEDS)
    both = {"conditioned": stats(1.0), "unconditioned_bare": stats(1.0), "subnet_0": stats(1.0)}
    assert {"ifd_perplexity_ratio", "learning_complexity"} <= set(computable(both))
    assert "ifd_loss_ratio" not in computable(both)


@pytest.mark.parametrize("name", TOKENS)
def test_every_indicator_says_what_it_is(name):
    found = TOKENS[name]
    assert found.summary.endswith(".")
    assert found.source
