"""A batch gives every row the loss that it has alone, and the gradient that autograd gives."""

import numpy as np
import pytest

from datasel_assets.models.causal_lm import CausalLM
from datasel_assets.models.train.row_model import RowModel
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.training import TrainingSpec

ROWS = [
    [{"role": "user", "content": "how many apples"}, {"role": "assistant", "content": "two of seven"}],
    [
        {"role": "user", "content": "the quick fox"},
        {"role": "assistant", "content": "jumps"},
        {"role": "user", "content": "over"},
        {"role": "assistant", "content": "the lazy dog jumps over the brown fox"},
    ],
    [{"role": "user", "content": "the quick fox"}, {"role": "assistant", "content": "jumps over the dog"}],
    [{"role": "user", "content": "no answer"}],
]


def opened(folder: str, training: TrainingSpec | None = None, **options: object) -> RowModel:
    spec = CausalSpec(model=folder, max_tokens=48, template="plain", precision="float32")
    return RowModel(spec, training or TrainingSpec(precision="float32"), "cpu", **options)


def all_texts(model: RowModel):
    texts = model.texts(ROWS)
    return texts, [text for row in texts.of_row for text in row]


@pytest.fixture
def with_head(tiny_model, tmp_path):
    """A tiny model of a kind with a head on it, whatever the kind is saved with."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    def get(kind: str) -> str:
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(tiny_model(kind))).save_pretrained(tmp_path)
        AutoTokenizer.from_pretrained(tiny_model(kind)).save_pretrained(tmp_path)
        return str(tmp_path)

    return get


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral", "gpt2", "gpt_neox"])
def test_a_row_in_a_batch_has_the_loss_that_it_has_alone(with_head, kind):
    model = opened(with_head(kind))
    assert model.shared
    _, texts = all_texts(model)
    together = model.losses(texts, el2n=True)
    alone = [model.losses([text], el2n=True) for text in texts]
    for name in ("row", "turn", "tokens", "hits"):
        assert getattr(together, name).tolist() == [v for one in alone for v in getattr(one, name).tolist()]
    for name in ("loss", "confidence", "el2n"):
        np.testing.assert_allclose(getattr(together, name), np.concatenate([getattr(one, name) for one in alone]), 1e-4)


def test_texts_on_lines_of_their_own_have_the_same_losses(tiny_model):
    model = opened(tiny_model("llama"))
    _, texts = all_texts(model)
    shared = model.losses(texts)
    model.shared = False
    np.testing.assert_allclose(model.losses(texts).loss, shared.loss, 1e-5)


def test_the_losses_are_those_of_the_reader_of_rows(tiny_model):
    folder = tiny_model("llama")
    model = opened(folder)
    _, texts = all_texts(model)
    mine = model.losses(texts, el2n=True)
    with CausalLM(CausalSpec(model=folder, max_tokens=48, template="plain", precision="float32"), "cpu") as lm:
        theirs = lm.token_stats(lm.conditioned(ROWS))
    known = theirs.count > 0
    np.testing.assert_allclose(mine.loss, -theirs.sum_logp[known], 1e-4)
    np.testing.assert_allclose(mine.el2n, theirs.sum_el2n[known], 1e-4)
    assert mine.hits.tolist() == theirs.sum_hit[known].astype(int).tolist()
    assert mine.row.tolist() == [0, 1, 1, 2]
    assert mine.turn.tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("places", [None, 20])
def test_the_gradient_is_that_of_autograd_over_whole_logits(tiny_model, places):
    import torch

    model = opened(tiny_model("llama"), places=places)
    _, texts = all_texts(model)
    weights = np.linspace(0.5, 1.5, len(texts))
    model.model.zero_grad()
    model.backward(texts, weights)
    mine = {name: p.grad.clone() for name, p in model.model.named_parameters()}
    model.model.zero_grad()
    total = torch.zeros(())
    for text, weight in zip(texts, weights, strict=True):
        logits = model.model(input_ids=torch.from_numpy(text.ids.astype(np.int64))[None]).logits[0]
        logp = logits.log_softmax(-1)[torch.from_numpy(text.positions - 1), torch.from_numpy(text.targets)]
        total = total - weight * logp.sum()
    total.backward()
    for name, parameter in model.model.named_parameters():
        torch.testing.assert_close(mine[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_the_mark_that_ends_a_turn_is_learned_with_it(tiny_model):
    folder = tiny_model("llama", chat=True)
    spec = CausalSpec(model=folder, max_tokens=48, template="chat", precision="float32")
    model = RowModel(spec, TrainingSpec(precision="float32"), "cpu")
    texts = model.texts(ROWS)
    end = model.tokenizer.tokenizer.convert_tokens_to_ids("</s>")
    (first,), (whole,) = texts.of_row[0], texts.of_row[1]
    assert first.targets[-1] == end
    assert [int(whole.targets[whole.turns == turn][-1]) for turn in (0, 1)] == [end, end]
    # The user's own end of turn is read, not learned.
    assert (whole.targets == end).sum() == 2
    assert (whole.ids == end).sum() == 4


def test_low_rank_updates_alone_are_trained_and_begin_as_nothing(tiny_model):
    pytest.importorskip("peft")
    folder = tiny_model("llama")
    full, lora = opened(folder), opened(folder, TrainingSpec(weights="lora", precision="float32"))
    _, texts = all_texts(full)
    np.testing.assert_allclose(lora.losses(texts).loss, full.losses(texts).loss, 1e-5)
    lora.backward(texts, np.ones(len(texts)))
    assert all("lora_" in name for name, p in lora.model.named_parameters() if p.grad is not None)
    assert set(lora.trained_state()) == {n for n, p in lora.model.named_parameters() if p.grad is not None}


def test_low_rank_updates_of_another_shape_are_refused(tiny_model):
    pytest.importorskip("peft")
    lora = opened(tiny_model("llama"), TrainingSpec(weights="lora", precision="float32"))
    with pytest.raises(ValueError, match="another training"):
        lora.load_trained(opened(tiny_model("llama")).trained_state())
