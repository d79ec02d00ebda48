"""Reward models: a tiny classifier with one head, against its own forward pass on single rows."""

from pathlib import Path
from typing import Any

import pytest

from datasel_assets.answers.asks import ask_of
from datasel_assets.answers.prompts import asked_row
from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Item, Request, request_of
from datasel_assets.models.providers import ProviderError
from datasel_assets.models.reward_model import RewardModel
from datasel_assets.specs.answers import AnswersSpec, RewardSpec
from datasel_assets_tests.models.test_causal_lm import tiny_causal

TEXTS = [("q", "a"), ("a longer question", "and a longer answer than that"), ("x", "y z")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch
    import transformers

    folder = tiny_causal("llama", tmp_path_factory.mktemp("reward"), chat=True, positions=128)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.num_labels, config.pad_token_id = 1, 0
    torch.manual_seed(0)
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


def requests(texts: list[tuple[str, str]]) -> list[Request]:
    spec = AnswersSpec.model_validate({"ask": "reward", "provider": {"reward": "here"}})
    rows = {
        str(i): asked_row([{"role": "user", "content": prompt}, {"role": "assistant", "content": response}])
        for i, (prompt, response) in enumerate(texts)
    }
    return [request_of(spec, ask_of("reward"), Item(row), rows, {}) for row in rows]


def scored(folder: str, texts: list[tuple[str, str]], **more: Any) -> list[Reply]:
    model = RewardModel(RewardSpec.model_validate({"reward": folder, "precision": "float32", **more}), "cpu")
    found: dict[str, Reply] = {}
    model.ask(requests(texts), lambda request, reply: found.update({request.item.row_id: reply}) or ())
    return [found[str(i)] for i in range(len(texts))]


def test_each_row_gets_the_number_that_the_model_gives_its_conversation_alone(folder: str):
    import torch
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    replies = scored(folder, TEXTS)
    for (prompt, response), reply in zip(TEXTS, replies, strict=True):
        said = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
        text = tokenizer.apply_chat_template(said, tokenize=False)
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
        with torch.inference_mode():
            assert float(reply.text) == pytest.approx(float(model(input_ids=ids).logits[0, 0]), abs=1e-4)
        assert reply.tokens_in == ids.shape[1]


def test_a_row_that_is_too_long_fails_alone(folder: str):
    long, short = scored(folder, [("word " * 200, "a"), TEXTS[0]])
    assert "lower max_chars" in str(long.failed)
    assert short.failed is None


def test_a_model_of_another_kind_is_refused(tmp_path: Path):
    with pytest.raises(ProviderError, match="must be a sequence classifier with one head"):
        RewardModel(RewardSpec(reward=tiny_causal("llama", tmp_path)), "cpu")
