"""Training of the proxy model: it learns, resumes to the same bytes, stops, and leaves an ordinary model folder."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from datasel_assets.models.adam import read_adam
from datasel_assets.models.causal_lm import CausalLM
from datasel_assets.models.fine_tune import ProxyStart
from datasel_assets.models.proxy_folder import (
    checkpoint_rates,
    kept_checkpoints,
    moments_file,
    pool_drift,
    weights_digest,
)
from datasel_assets.models.proxy_lm import ProxyResult, _new_model, train_proxy_lm
from datasel_assets.models.proxy_rows import READ_ROWS, Pool, draw_rows, pool_of, split_rows
from datasel_assets.models.train.schedule import learning_rate
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.proxy import ProxySpec

torch = pytest.importorskip("torch")

NAMES = ["apples", "pears", "plums", "figs", "nuts"]


def conversations(n: int) -> list[list[dict[str, str]]]:
    return [
        [
            {"role": "user", "content": f"how many {NAMES[i % 5]} are left when {i} of {i + 7} are eaten?"},
            {"role": "assistant", "content": f"there are 7 {NAMES[i % 5]} left."},
        ]
        for i in range(n)
    ]


ROWS = conversations(60)
MICRO = {
    "vocabulary": 300,
    "hidden": 32,
    "layers": 2,
    "intermediate": 64,
    "max_tokens": 64,
    "batch_tokens": 256,
    "token_budget": 256 * 24,
    "eval_steps": 6,
    "held_out": 0.1,
    "learning_rate": 5e-3,
}
FILES = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "manifest.json",
    "unigram.json",
}


def train(
    folder: Path, rows=ROWS, progress=None, checkpoints: int = 0, moments: bool = False, **options: object
) -> ProxyResult:
    spec, kept = ProxySpec(**{**MICRO, **options}), {"checkpoints": checkpoints, "moments": moments}
    return train_proxy_lm(rows, spec, folder, progress=progress, device="cpu", precision="float32", **kept)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class KilledError(Exception):
    pass


def kill_at(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise KilledError

    return progress


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> ProxyResult:
    return train(tmp_path_factory.mktemp("proxy") / "lm")


def test_the_loss_falls_on_rows_that_were_not_trained_on(trained):
    assert len(trained.train_losses) == trained.steps == 24
    assert trained.tokens == 256 * 24
    assert trained.train_losses[-1] < 0.7 * trained.train_losses[0]
    steps, losses = zip(*trained.held_out_losses, strict=True)
    assert steps == (6, 12, 18, 24)
    assert losses[-1] < losses[0] - 0.3
    assert trained.best_step == 24
    assert not trained.stopped_early


def test_the_folder_is_an_ordinary_model_with_a_chat_template(trained):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert {file.name for file in trained.folder.iterdir()} == FILES
    tokenizer = AutoTokenizer.from_pretrained(trained.folder)
    text = tokenizer.apply_chat_template(ROWS[0], tokenize=False)
    assert text.startswith("<|bos|><|user|>how many apples")
    assert text.endswith("<|assistant|>there are 7 apples left.<|end|>")
    assert tokenizer.decode(tokenizer("naïve 你好 👋🏽")["input_ids"]) == "naïve 你好 👋🏽"
    model = AutoModelForCausalLM.from_pretrained(trained.folder)
    assert sum(p.numel() for p in model.parameters()) == trained.parameters
    assert model.config.vocab_size == trained.vocabulary == 300


def test_its_scores_tell_a_fitting_answer_from_a_shuffled_one(trained):
    shuffled = [[row[0], ROWS[i - 8][1]] for i, row in enumerate(ROWS)]
    spec = CausalSpec(model=str(trained.folder), max_tokens=64, precision="float32")
    with CausalLM(spec, "cpu") as lm:
        assert (lm.renderer.template, lm.renderer.header) == ("chat", "<|assistant|>")
        fitting, other = (lm.token_stats(lm.conditioned(rows)).by_row.nll for rows in (ROWS, shuffled))
    assert np.isfinite(fitting).all()
    assert fitting.mean() < trained.train_losses[0]
    assert other.mean() >= fitting.mean()


def test_the_manifest_says_how_it_was_made(trained):
    manifest = json.loads((trained.folder / "manifest.json").read_text())
    assert manifest["spec"] == ProxySpec(**MICRO).model_dump()
    assert manifest["parameters"] == trained.parameters
    assert manifest["train_losses"] == list(trained.train_losses)
    assert manifest["held_out_losses"] == [list(pair) for pair in trained.held_out_losses]
    assert manifest["rows"]["trained"] == trained.rows
    assert manifest["rows"]["trained"] + manifest["rows"]["held_out"] == manifest["rows"]["given"] == 60
    assert set(manifest["versions"]) == {"torch", "transformers", "tokenizers"}
    assert len(manifest["data"]) == 16


def test_a_killed_training_goes_on_to_the_same_bytes(trained, tmp_path):
    folder = tmp_path / "lm"
    with pytest.raises(KilledError):
        train(folder, progress=kill_at(15))
    assert not folder.exists()
    resumed = train(folder)
    assert resumed.resumed_at == 12
    assert resumed.train_losses == trained.train_losses
    assert contents(folder) == contents(trained.folder)
    assert [path.name for path in tmp_path.iterdir()] == ["lm"]


def test_the_same_seed_gives_the_same_bytes_whatever_the_order_of_the_rows(trained, tmp_path):
    train(tmp_path / "lm", rows=ROWS[::-1])
    assert contents(tmp_path / "lm") == contents(trained.folder)


@pytest.fixture(scope="module")
def trained_with_checkpoints(tmp_path_factory) -> ProxyResult:
    return train(tmp_path_factory.mktemp("proxy") / "lm", checkpoints=3)


def test_checkpoints_are_kept_at_even_distances_and_the_model_is_the_same(trained, trained_with_checkpoints):
    """Evaluations after steps 6, 12, 18 and 24: the first, the third and the last are kept."""
    folders = kept_checkpoints(trained_with_checkpoints.folder)
    assert [folder.name for folder in folders] == ["0", "1", "2"]
    assert kept_checkpoints(trained.folder) == []
    for name, content in contents(trained.folder).items():
        assert (trained_with_checkpoints.folder / name).read_bytes() == content
    assert (folders[2] / "model.safetensors").read_bytes() == contents(trained.folder)["model.safetensors"]
    losses = []
    for folder in folders:
        with CausalLM(CausalSpec(model=str(folder), max_tokens=64, precision="float32"), "cpu") as lm:
            losses.append(lm.token_stats(lm.conditioned(ROWS)).nll.mean())
    assert losses[0] > losses[1] > losses[2]


def test_a_killed_training_with_checkpoints_goes_on_to_the_same_bytes(trained_with_checkpoints, tmp_path):
    with pytest.raises(KilledError):
        train(tmp_path / "lm", progress=kill_at(15), checkpoints=3)
    assert train(tmp_path / "lm", checkpoints=3).resumed_at == 12
    ours, theirs = (kept_checkpoints(folder) for folder in (tmp_path / "lm", trained_with_checkpoints.folder))
    for mine, other in zip(ours, theirs, strict=True):
        assert contents(mine) == contents(other)


def test_a_training_that_kept_no_weights_on_its_way_begins_again_when_checkpoints_are_asked_for(tmp_path):
    options = {"token_budget": 256 * 4, "eval_steps": 1}
    with pytest.raises(KilledError):
        train(tmp_path / "lm", progress=kill_at(2), **options)
    assert train(tmp_path / "lm", checkpoints=2, **options).resumed_at == 0
    assert len(kept_checkpoints(tmp_path / "lm")) == 2


@pytest.fixture(scope="module")
def trained_with_moments(tmp_path_factory) -> ProxyResult:
    return train(tmp_path_factory.mktemp("proxy") / "lm", checkpoints=2, moments=True)


def test_moments_are_kept_with_the_model_and_each_checkpoint_and_change_no_weight(trained, trained_with_moments):
    folder = trained_with_moments.folder
    for name, content in contents(trained.folder).items():
        assert (folder / name).read_bytes() == content
    files = [moments_file(model) for model in (folder, *kept_checkpoints(folder))]
    assert len(files) == 3
    # Evaluations after steps 6, 12, 18 and 24: the best weights are those of the last one, which is kept twice.
    assert files[0].read_bytes() == files[2].read_bytes() != files[1].read_bytes()
    layer = "model.layers.1.mlp.down_proj"
    early, late = (read_adam(file, [layer]) for file in files[1:])
    assert early.betas == late.betas == (0.9, 0.95)
    assert (late.second[0] >= 0).all()
    assert late.second[0].shape == (32, 64)
    assert weights_digest(folder) == weights_digest(trained.folder)


def test_a_killed_training_with_moments_goes_on_to_the_same_bytes(trained_with_moments, tmp_path):
    with pytest.raises(KilledError):
        train(tmp_path / "lm", progress=kill_at(15), checkpoints=2, moments=True)
    assert train(tmp_path / "lm", checkpoints=2, moments=True).resumed_at == 12
    for mine, other in zip(
        (tmp_path / "lm", *kept_checkpoints(tmp_path / "lm")),
        (trained_with_moments.folder, *kept_checkpoints(trained_with_moments.folder)),
        strict=True,
    ):
        assert moments_file(mine).read_bytes() == moments_file(other).read_bytes()


def test_checkpoints_know_the_rate_of_the_step_that_led_to_them(trained_with_checkpoints):
    manifest = json.loads((trained_with_checkpoints.folder / "manifest.json").read_text())
    spec = ProxySpec(**MICRO)
    rates = [learning_rate(step - 1, 24, spec.learning_rate, spec.warmup) for step in (6, 18, 24)]
    assert checkpoint_rates(manifest, 3) == pytest.approx(rates)


def test_more_checkpoints_than_evaluations_are_refused(tmp_path):
    with pytest.raises(ValueError, match="24 steps have 4 evaluations: lower eval_steps"):
        train(tmp_path / "lm", checkpoints=5)


def test_a_checkpoint_of_other_rows_is_not_used(tmp_path):
    folder = tmp_path / "lm"
    options = {"token_budget": 256 * 4, "eval_steps": 1}
    with pytest.raises(KilledError):
        train(folder, progress=kill_at(2), **options)
    assert train(folder, rows=ROWS[:40], **options).resumed_at == 0


def test_training_stops_when_the_held_out_loss_does_not_fall_and_keeps_the_best_weights(tmp_path):
    result = train(tmp_path / "lm", learning_rate=0.5, warmup=0.0, eval_steps=1, patience=3)
    assert result.stopped_early
    losses = dict(result.held_out_losses)
    assert losses[result.best_step] == min(losses.values())
    assert result.steps == result.best_step + 3 < 24


def test_an_old_model_stays_until_the_new_one_is_there(trained, tmp_path):
    folder = tmp_path / "lm"
    folder.mkdir()
    (folder / "old").write_text("old")
    options = {"token_budget": 256 * 2, "eval_steps": 1}
    with pytest.raises(KilledError):
        train(folder, progress=kill_at(1), **options)
    assert [file.name for file in folder.iterdir()] == ["old"]
    train(folder, **options)
    assert {file.name for file in folder.iterdir()} == FILES


def test_texts_are_trained_on_as_answers(tmp_path):
    result = train(tmp_path / "lm", rows=[row[1]["content"] for row in ROWS], token_budget=256, eval_steps=1)
    assert result.steps == 1
    assert result.rows < 60


def test_a_pool_that_changes_drifts(trained):
    same = pool_drift(trained.folder, [message["content"] for row in ROWS for message in row])
    other = pool_drift(trained.folder, ["你好", "quite another text about something else altogether"] * 20)
    assert 0 <= same < 0.01
    assert 0.2 < other <= 1


def test_rows_without_content_do_not_make_a_model(tmp_path):
    with pytest.raises(ValueError, match="2 different"):
        train(tmp_path / "lm", rows=["", " ", "one"])
    with pytest.raises(ValueError, match="2 different"):
        train(tmp_path / "lm", rows=["one", "one"])


def test_both_sides_of_the_split_have_rows_and_equal_rows_share_one():
    def rows(*sides: float) -> pl.DataFrame:
        return pl.DataFrame({"side": sides})

    for sides in ((0.5, 0.9), (0.001, 0.002), (0.3, 0.3, 0.4)):
        training, held_out = split_rows(rows(*sides), ProxySpec(held_out=0.02))
        assert training.height
        assert held_out.height
        assert not set(training["side"]) & set(held_out["side"])
    training, held_out = split_rows(rows(*np.linspace(0, 0.999, 1000)), ProxySpec(held_out=0.02))
    assert len(held_out) == 20


def test_no_held_out_conversation_has_a_copy_that_is_trained_on(trained):
    once, spec = pool_of(ROWS), ProxySpec(**MICRO)
    pool = pl.concat([once, once.with_columns(row_id=pl.col("row_id").str.reverse())])
    drawn = [side["place"] for side in split_rows(draw_rows(pool, spec), spec)]
    for training, held_out in (drawn, ProxyStart(trained.folder, "cpu").sides(pool)):
        seen, unseen = pool["content_hash"].gather(training), pool["content_hash"].gather(held_out)
        assert len(seen) + len(unseen) == 120
        assert not set(seen) & set(unseen)
        assert set(unseen.value_counts()["count"]) == {2}


def test_rows_that_the_budgets_do_not_reach_are_not_read(tmp_path):
    options = {"token_budget": 256, "eval_steps": 1, "tokenizer_chars": 400, "held_out_tokens": 40}
    pool, spec = pool_of(conversations(4 * READ_ROWS)), ProxySpec(**{**MICRO, **options})
    reached = pl.concat(side["place"][:READ_ROWS] for side in split_rows(draw_rows(pool, spec), spec))
    assert len(reached) < pool.height / 2
    whole, read = Pool.of(pool), []

    def noted(places: np.ndarray) -> pl.Series:
        read.extend(places.tolist())
        return whole.read(places)

    train(tmp_path / "whole", whole, **options)
    train(tmp_path / "part", Pool(whole.names, noted), **options)
    assert sorted(read) == sorted(reached)
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


@pytest.mark.parametrize("wrong", [{"heads": 4, "kv_heads": 3}, {"hidden": 100, "heads": 8}, {"vocabulary": 200}])
def test_shapes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=r"divide|multiple|greater"):
        ProxySpec(**wrong)


def test_the_default_has_about_three_million_weights():
    backend = SimpleNamespace(get_vocab_size=lambda: 4096)
    tokenizer = SimpleNamespace(pad_token_id=0, bos_token_id=1, eos_token_id=2, backend_tokenizer=backend)
    model = _new_model(ProxySpec(), tokenizer)
    assert 2.8e6 < sum(p.numel() for p in model.parameters()) < 3.5e6
