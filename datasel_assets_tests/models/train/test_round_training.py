"""A training in rounds: what it reads and does at a step, and that it goes on after a kill to the same weights."""

import numpy as np
import pytest

from datasel_assets.models.train.round_training import RoundTraining
from datasel_assets.models.train.step_watch import DIMS, StepWatch
from datasel_assets.models.train.training import evaluate
from datasel_assets_tests.models.train.test_training import ROWS, opened

EMPTY = [{"role": "user", "content": "how many apples"}]


def test_the_loss_of_a_row_is_that_before_its_step_and_a_row_without_a_response_has_none(tiny_model):
    model = opened(tiny_model("llama"), batch_tokens=10_000)
    before = evaluate(model, model.texts(ROWS[:4])).values["loss"][0]
    found = RoundTraining(model).train([*ROWS[:4], EMPTY], 0.5)
    np.testing.assert_allclose(found.losses[:4], before, rtol=1e-4)
    assert np.isnan(found.losses[4])
    assert np.isnan(found.change).all()
    assert found.gradient is None
    assert (evaluate(model, model.texts(ROWS[:4])).values["loss"][0] < before).all()


@pytest.mark.parametrize("clip", [1.0, 1e-3])
def test_the_change_of_a_step_is_that_of_its_loss_under_the_real_optimiser_clipped_or_not(tiny_model, clip):
    how = {"batch_tokens": 10_000, "learning_rate": 1e-5, "schedule": "constant", "warmup": 0, "loss": "rows"}
    model = opened(tiny_model("llama"), clip=clip, **how)
    training = RoundTraining(model, change=True)
    training.train(ROWS[:6], 0.0)
    texts = model.texts(ROWS[:6])
    before = evaluate(model, texts).values["loss"][0].mean()
    found = training.train(ROWS[:6], 0.0)
    after = evaluate(model, texts).values["loss"][0].mean()
    assert len(set(found.change)) == 1
    assert found.change[0] == pytest.approx(after - before, rel=0.05)


def test_inner_products_of_gradients_can_be_taken_of_what_is_kept_of_them(tiny_model):
    import torch

    model = opened(tiny_model("llama")).model
    watch = StepWatch(model)
    whole, kept = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        for p in model.parameters():
            p.grad = torch.randn_like(p) + 1.0
        watch.before()
        whole.append(torch.cat([p.grad.flatten() for p in model.parameters()]).double().numpy())
        kept.append(watch.sketch())
    lengths = np.linalg.norm(whole, axis=1)
    wrong = (np.array(kept) @ np.array(kept).T - np.array(whole) @ np.array(whole).T) / np.outer(lengths, lengths)
    assert np.abs(wrong).max() < 4 / np.sqrt(DIMS)


def test_a_training_that_goes_on_from_what_was_written_reads_and_does_the_same(tiny_model, tmp_path):
    folder, how = tiny_model("llama"), {"change": True, "gradients": True}
    whole = RoundTraining(opened(folder), **how)
    expected = [whole.train(ROWS[k : k + 4], k / 10) for k in range(0, 6, 2)]
    first = RoundTraining(opened(folder), **how)
    first.train(ROWS[:4], 0.0)
    first.save(tmp_path, "one", {"rounds": 1})
    second = RoundTraining(opened(folder), **how)
    assert second.resume(tmp_path, "one") == {"rounds": 1}
    for k, found in zip((2, 4), expected[1:], strict=True):
        again = second.train(ROWS[k : k + 4], k / 10)
        for name in ("losses", "change", "gradient"):
            np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert RoundTraining(opened(folder)).resume(tmp_path, "another") is None


def test_the_rate_goes_by_the_share_that_is_done(tiny_model):
    training = RoundTraining(opened(tiny_model("llama"), schedule="linear", warmup=0.1, learning_rate=1e-3))
    assert training.rate(0.05) == pytest.approx(5e-4, rel=0.01)
    assert training.rate(0.55) == pytest.approx(5e-4, rel=0.01)
    assert training.rate(2.0) < 1e-6
