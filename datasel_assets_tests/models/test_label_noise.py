"""A classifier on handwritten digits with wrong labels: which are found, and what is learned despite them."""

import copy

import numpy as np
import pytest

from datasel_assets.diagnostics.auc import auc
from datasel_assets.models.label_noise import _Training, dynamic_loss, learn_labels
from datasel_assets.specs.dynamics import ClassifierSpec


def digits(noise: str, share: float, seed: int):
    """Return training vectors, their labels as given and as they are, and vectors and labels that are held out."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(seed)
    order = random.permutation(len(x))
    train, test = order[:1200], order[1200:]
    given = y[train].copy()
    bad = random.random(1200) < share
    given[bad] = (given[bad] + (random.integers(1, 10, bad.sum()) if noise == "symmetric" else 1)) % 10
    x = x.astype(np.float32) / 16
    return x[train], given, y[train], x[test], y[test]


def accuracy(classifier, x, y) -> float:
    return float((classifier(x).argmax(axis=1) == y).mean())


def compared(noise: str, share: float, seed: int, epochs: int = 40, **settings) -> dict[str, float]:
    """Return the areas under the curve of the first stage, and accuracies of both ways to train for as long."""
    x, given, truth, other, labels = digits(noise, share, seed)
    learned = learn_labels(x, given, 10, ClassifierSpec(epochs=10, second_epochs=epochs - 10, **settings), seed)
    plain = learn_labels(x, given, 10, ClassifierSpec(epochs=epochs, second_epochs=0, **settings), seed)
    wrong = given != truth
    numbers = {
        "wrong_events": (~learned.right).sum(axis=1).astype(float),
        "mean_loss": learned.losses.mean(axis=1),
        "last_loss": plain.losses[:, -1],
        "p_wrong": 1 - learned.p_clean,
    }
    areas = {name: auc(values, wrong)[0] for name, values in numbers.items()}
    return {**areas, "plain": accuracy(plain.first, other, labels), "ido": accuracy(learned.classifier, other, labels)}


@pytest.mark.slow
def test_wrong_labels_are_found_and_the_classifier_learns_despite_them():
    found = compared("symmetric", 0.4, 0, 28, hidden=(256, 128))
    assert found["wrong_events"] > 0.97
    assert found["p_wrong"] > 0.97
    assert found["ido"] >= found["plain"] + 0.02


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("noise", "share", "events"),
    [("symmetric", 0.2, 0.97), ("symmetric", 0.4, 0.97), ("symmetric", 0.6, 0.96), ("next digit", 0.4, 0.72)],
)
def test_over_three_seeds_wrong_labels_are_found_and_more_is_learned(noise, share, events):
    runs = [compared(noise, share, seed) for seed in range(3)]
    mean = {name: np.mean([run[name] for run in runs]) for name in runs[0]}
    assert mean["wrong_events"] >= events
    # At the end of a long training the loss has learned the wrong labels by heart.
    assert mean["wrong_events"] > mean["last_loss"]
    if share >= 0.4:
        assert mean["ido"] >= mean["plain"] + 0.02
    else:
        assert mean["ido"] >= mean["plain"] - 0.005


def test_the_same_seed_gives_the_same_numbers():
    x, given, *_ = digits("symmetric", 0.2, 0)
    spec = ClassifierSpec(hidden=(16,), epochs=2, second_epochs=2, dropout=0.2)
    one, again = (learn_labels(x[:200], given[:200], 10, spec, 3) for _ in range(2))
    other = learn_labels(x[:200], given[:200], 10, spec, 4)
    assert np.array_equal(one.losses, again.losses)
    assert np.array_equal(one.probabilities, again.probabilities)
    assert not np.array_equal(one.losses, other.losses)


def test_the_weights_that_the_second_stage_begins_with_do_not_follow_the_training():
    x, given, *_ = digits("symmetric", 0.4, 0)
    spec = ClassifierSpec(hidden=(16,), epochs=6, second_epochs=3)
    training = _Training(x[:300], given[:300], 10, spec, 0, None)
    training.first_stage()
    before = copy.deepcopy(training.base.state_dict())
    training.second_stage()
    assert training.base is not training.net
    for name, tensor in training.base.state_dict().items():
        assert np.array_equal(tensor, before[name])
    assert any(not np.array_equal(t, before[name]) for name, t in training.net.state_dict().items())


def test_the_second_stage_adds_both_views_to_the_counts():
    x, given, *_ = digits("symmetric", 0.4, 0)
    spec = ClassifierSpec(hidden=(16,), epochs=2, second_epochs=0)
    first = learn_labels(x[:300], given[:300], 10, spec, 0)
    assert np.array_equal(first.counts, (~first.right).sum(axis=1))
    both = learn_labels(x[:300], given[:300], 10, spec.model_copy(update={"second_epochs": 3}), 0)
    assert ((both.counts - first.counts >= 0) & (both.counts - first.counts <= 6)).all()
    assert (both.counts > first.counts).any()


def test_the_loss_of_a_row_does_not_depend_on_the_rows_beside_it():
    import torch

    generator = torch.Generator().manual_seed(0)
    weak, strong = torch.randn(2, 5, 4, generator=generator)
    labels, clean, agree = torch.tensor([0, 1, 2, 3, 0]), torch.rand(5, generator=generator), torch.rand(5)
    whole = dynamic_loss(weak, strong, labels, clean, agree)
    assert whole.shape == (5,)
    each = [dynamic_loss(weak[i : i + 1], strong[i : i + 1], labels[i : i + 1], clean[i], agree[i]) for i in range(5)]
    torch.testing.assert_close(whole, torch.cat(each))


def test_a_clean_row_learns_its_label_and_a_wrong_one_is_to_be_decided_about():
    import torch

    z, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([1])
    one, none = torch.ones(1), torch.zeros(1)
    entropy = torch.nn.functional.cross_entropy(z, labels)
    torch.testing.assert_close(dynamic_loss(z, z, labels, one, none), 2 * entropy[None])
    p = z.softmax(-1)
    torch.testing.assert_close(dynamic_loss(z, z, labels, none, none), p.max() * -(p * p.log()).sum(-1))
    apart = dynamic_loss(z, z + 1, labels, none, one) - dynamic_loss(z, z + 1, labels, none, none)
    torch.testing.assert_close(apart, torch.ones(1))


def test_each_label_may_have_a_mixture_of_its_own():
    x, given, *_ = digits("symmetric", 0.2, 0)
    spec = ClassifierSpec(hidden=(16,), epochs=3, second_epochs=1, per_class=True)
    learned = learn_labels(x, given, 10, spec, 0)
    assert set(learned.mixtures.own) == set(range(10))
    assert np.isfinite(learned.p_clean).all()
