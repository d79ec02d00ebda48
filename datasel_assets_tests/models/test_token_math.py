"""Statistics of softmax distributions against float64 by the formulas."""

import numpy as np
import pytest

from datasel_assets.models.token_math import FIELDS, logit_statistics, next_token_statistics, two_largest

torch = pytest.importorskip("torch")


def expected(logits: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    z = logits.astype(np.float64)
    shifted = z - z.max(1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    p = np.exp(logp)
    rows = np.arange(len(z))
    onehot = np.zeros_like(p)
    onehot[rows, targets] = 1
    top = np.sort(p, 1)[:, ::-1]
    return {
        "logp": logp[rows, targets],
        "entropy": -np.where(p > 0, p * np.where(p > 0, logp, 0), 0).sum(1),
        "top1": top[:, 0],
        "top2": top[:, 1],
        "sum_p2": (p**2).sum(1),
        "el2n": np.linalg.norm(p - onehot, axis=1),
        "hit": (z.argmax(1) == targets).astype(float),
    }


def mine(logits: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    z = torch.from_numpy(logits.astype(np.float32).copy())
    values = logit_statistics(z, torch.from_numpy(targets))
    return dict(zip(FIELDS, values.double().numpy(), strict=True))


@pytest.mark.parametrize("vocabulary", [2, 3, 63, 64, 127, 128, 129, 200, 1000])
@pytest.mark.parametrize("scale", [0.1, 3, 30])
def test_every_statistic_follows_its_formula(vocabulary, scale):
    generator = np.random.default_rng(vocabulary)
    logits = (scale * generator.standard_normal((40, vocabulary))).astype(np.float32)
    targets = generator.integers(0, vocabulary, 40)
    targets[:20] = logits[:20].argmax(1)
    found = mine(logits, targets)
    for name, values in expected(logits, targets).items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-6, err_msg=name)


def test_el2n_of_a_confident_prediction_keeps_its_digits():
    logits = np.zeros((1, 4))
    logits[0, 0] = 16
    found, right = mine(logits, np.array([0])), expected(logits, np.array([0]))
    np.testing.assert_allclose(found["el2n"], right["el2n"], rtol=1e-5)
    np.testing.assert_allclose(found["logp"], right["logp"], rtol=1e-5)


def test_equal_logits_are_hit_by_the_lowest_id_alone():
    found = mine(np.zeros((3, 5)), np.array([0, 1, 4]))
    assert found["hit"].tolist() == [1, 0, 0]
    np.testing.assert_allclose(found["top1"], found["top2"])


def test_a_masked_vocabulary_entry_adds_nothing():
    logits = np.array([[1.0, 2.0, -np.inf], [1.0, 2.0, 0.5]])
    found = mine(logits, np.array([0, 0]))
    two = mine(logits[:1, :2], np.array([0]))
    for name in FIELDS:
        np.testing.assert_allclose(found[name][0], two[name][0], rtol=1e-6, err_msg=name)
    assert mine(logits, np.array([2, 2]))["logp"][0] == -np.inf


def test_nan_logits_give_nan_for_their_own_row_alone():
    logits = np.zeros((2, 200))
    logits[0, 7] = np.nan
    found = mine(logits, np.array([0, 0]))
    assert np.isnan(found["logp"]).tolist() == [True, False]
    assert np.isnan(found["entropy"]).tolist() == [True, False]


@pytest.mark.parametrize("vocabulary", [2, 128, 191, 4096])
def test_the_two_largest_are_those_of_topk(vocabulary):
    z = torch.randn(50, vocabulary, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    first, second = two_largest(z)
    torch.testing.assert_close(torch.stack([first, second], 1), z.topk(2, 1).values, rtol=0, atol=0)


@pytest.mark.parametrize(("max_elements", "rows"), [(1, 128), (9 * 200, 192), (10_000, 300)])
def test_the_size_of_the_chunks_changes_nothing(max_elements, rows):
    generator = torch.Generator().manual_seed(0)
    states, weight = torch.randn(300, 8, generator=generator), torch.randn(9, 8, generator=generator)
    targets = torch.randint(0, 9, (300,), generator=generator)
    seen = []

    def head(x):
        seen.append(len(x))
        return x @ weight.T

    chunked = next_token_statistics(states, targets, head, 9, max_elements)
    whole = logit_statistics(states @ weight.T, targets)
    torch.testing.assert_close(chunked, whole, rtol=1e-5, atol=1e-6)
    assert max(seen) == rows
    assert sum(seen) == 300


def test_no_predictions_are_an_empty_table():
    empty = next_token_statistics(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), lambda x: x, 4, 100)
    assert empty.shape == (len(FIELDS), 0)
