"""A training over rows: its records, its weights, and what a kill does to it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from datasel_assets.models.train.row_model import RowModel
from datasel_assets.models.train.training import FIELDS, RowTraining, evaluate
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.training import TrainingSpec

ROWS = [
    [
        {"role": "user", "content": f"how many apples {i}"},
        {"role": "assistant", "content": "two of seven" if i % 2 else "the brown dog jumps over the fox"},
    ]
    for i in range(10)
]


def opened(folder: str, **training: object) -> RowModel:
    spec = CausalSpec(model=folder, max_tokens=48, template="plain", precision="float32")
    return RowModel(spec, TrainingSpec(**{"batch_tokens": 60, "precision": "float32", **training}), "cpu")


def start(folder: str, epochs: int = 3, rows=ROWS, weights=None, **training: object) -> RowTraining:
    model = opened(folder, **training)
    return RowTraining(model, model.texts(rows), epochs, weights=weights, el2n=True)


def test_every_row_has_one_record_in_each_epoch_and_is_learned(tiny_model):
    training = start(tiny_model("llama"), epochs=8, learning_rate=3e-3)
    before = evaluate(training._model, training._texts).values["loss"][0]
    training.run()
    loss = training.trace.values["loss"]
    assert loss.shape == (8, 10)
    assert np.isfinite(loss).all()
    assert np.isfinite(training.trace.values["el2n"]).all()
    assert (loss[-1] < loss[0]).all()
    assert (evaluate(training._model, training._texts).values["loss"][0] < before).all()
    assert training.done == training.total_steps == len(training.losses)


def test_the_first_record_of_a_row_is_of_the_model_before_its_step(tiny_model):
    training = start(tiny_model("llama"))
    before = evaluate(training._model, training._texts, el2n=True)
    training.step()
    seen = np.isfinite(training.trace.values["loss"][0])
    assert 0 < seen.sum() < 10
    for name in FIELDS:
        np.testing.assert_allclose(training.trace.values[name][0, seen], before.values[name][0, seen], rtol=1e-4)


def test_a_row_that_weighs_nothing_is_never_presented(tiny_model):
    weights = np.ones(10)
    weights[3] = 0
    training = start(tiny_model("llama"), weights=weights)
    training.run()
    assert np.isnan(training.trace.values["loss"][:, 3]).all()
    assert np.isfinite(np.delete(training.trace.values["loss"], 3, axis=1)).all()


def test_a_row_of_weight_two_counts_like_two_rows(tiny_model):
    def gradient(rows, weights):
        training = start(tiny_model("llama"), 1, rows, weights, batch_tokens=10_000)
        ((_, order),) = training._steps
        each = training._of_tokens(order)
        texts = [text for row in order for text in training._texts.of_row[row]]
        training._model.backward(texts, np.array([each[text.row] for text in texts]))
        return {name: p.grad.numpy() for name, p in training._model.model.named_parameters()}

    heavy = gradient(ROWS[:2], np.array([2.0, 1.0]))
    twice = gradient([ROWS[0], ROWS[0], ROWS[1]], None)
    for name, found in heavy.items():
        np.testing.assert_allclose(found, twice[name], rtol=1e-3, atol=1e-5)


def test_the_loss_over_rows_weighs_a_short_answer_like_a_long_one(tiny_model):
    of_tokens, of_rows = (start(tiny_model("llama"), loss=loss) for loss in ("tokens", "rows"))
    rows = np.array([0, 1])
    tokens = of_tokens._texts.tokens[rows]
    by_token, by_row = of_tokens._of_tokens(rows), of_rows._of_tokens(rows)
    assert by_token[0] == by_token[1] == pytest.approx(1 / tokens.sum())
    assert by_row[0] * tokens[0] == pytest.approx(by_row[1] * tokens[1]) == pytest.approx(0.5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny_model):
    def trained(seed: int):
        training = start(tiny_model("gpt2"), seed=seed)
        training.run()
        return np.concatenate([t.numpy().ravel() for t in training._model.trained_state().values()])

    assert np.array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))


def test_low_rank_updates_learn_and_the_weights_below_stay(tiny_model):
    pytest.importorskip("peft")
    training = start(tiny_model("llama"), epochs=10, weights=None, **{"learning_rate": 1e-2})
    training = RowTraining(
        opened(tiny_model("llama"), weights="lora", learning_rate=1e-2), training._texts, 10, el2n=True
    )
    frozen = {n: p.detach().clone() for n, p in training._model.model.named_parameters() if "lora_" not in n}
    training.run()
    assert training.losses[-1] < training.losses[0]
    after = dict(training._model.model.named_parameters())
    assert all(np.array_equal(after[name].detach(), tensor) for name, tensor in frozen.items())


def test_rows_without_an_answer_are_not_trained_on_and_alone_are_refused(tiny_model):
    silent = [{"role": "user", "content": "no answer"}]
    training = start(tiny_model("llama"), rows=[*ROWS, silent])
    training.run()
    assert np.isnan(training.trace.values["loss"][:, 10]).all()
    with pytest.raises(ValueError, match="nothing to train on"):
        start(tiny_model("llama"), rows=[silent])


def test_a_weight_below_nothing_is_refused(tiny_model):
    with pytest.raises(ValueError, match="at least 0"):
        start(tiny_model("llama"), weights=np.full(10, -1.0))


def test_a_checkpoint_of_another_training_is_not_used(tiny_model, tmp_path: Path):
    start(tiny_model("llama")).run(tmp_path, "one")
    again = start(tiny_model("llama"))
    assert again.run(tmp_path, "another") == 0


def test_a_loss_that_is_no_number_stops_the_training(tiny_model):
    training = start(tiny_model("llama"))
    training._model._parts.head.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        training.run()


def test_a_training_that_is_interrupted_goes_on_to_the_same_weights(tiny_model, tmp_path: Path):
    class KilledError(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 11:
            raise KilledError

    whole = start(tiny_model("gpt2"), epochs=6)
    whole.run()
    with pytest.raises(KilledError):
        start(tiny_model("gpt2"), epochs=6).run(tmp_path, "this", kill, every=4)
    again = start(tiny_model("gpt2"), epochs=6)
    # Eleven steps were taken, and an epoch has two of them: the last checkpoint is that of an end.
    assert whole.total_steps == 12
    assert again.run(tmp_path, "this", every=4) == 10
    assert again.losses == whole.losses
    np.testing.assert_array_equal(again.trace.values["el2n"], whole.trace.values["el2n"])
    for name, tensor in whole._model.trained_state().items():
        assert np.array_equal(again._model.trained_state()[name], tensor)


PATIENCE = 400
"""Seconds that a process may take, imports included, on a machine with other work."""


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_a_training_that_is_killed_goes_on_to_the_same_weights_and_records(tiny_model, tmp_path: Path):
    """``kill -9`` in the middle of a step of a real process, on one thread, twice."""
    model, script = tiny_model("gpt2"), Path(__file__).with_name("killed.py")

    def begin(name: str) -> tuple[subprocess.Popen, Path]:
        out = tmp_path / name
        out.mkdir(exist_ok=True)
        command = [sys.executable, str(script), model, str(tmp_path / f"{name}.training"), str(out)]
        with (out / "errors").open("wb") as errors:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors), out

    whole, quiet = begin("quiet")
    assert whole.wait(PATIENCE) == 0, (quiet / "errors").read_text()
    process, out = begin("killed")
    for steps in (12, 40):
        deadline = time.monotonic() + PATIENCE
        while not (out / "step").is_file() or int(((out / "step").read_text() or "0").split()[0]) < steps:
            assert process.poll() is None, (out / "errors").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (out / "end.safetensors").exists()
        process, out = begin("killed")
    assert process.wait(PATIENCE) == 0, (out / "errors").read_text()
    assert int((quiet / "resumed").read_text()) == 0
    assert int((out / "resumed").read_text()) >= 35
    assert (out / "end.safetensors").read_bytes() == (quiet / "end.safetensors").read_bytes()
