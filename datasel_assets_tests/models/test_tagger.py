"""The tagger on tiny random models: greedy, in batches as alone, cut to its context."""

from pathlib import Path

import pytest

from datasel_assets.models.tagger import Tagger
from datasel_assets.specs.tagger import PROMPT, TaggerSpec
from datasel_assets_tests.models.test_causal_lm import tiny_causal

QUESTIONS = ["how many apples", "", "write a story about a brown fox and a lazy dog", "def add(a, b)", "  \n"]
PLAIN = "tag {instruction}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_causal("llama", tmp_path_factory.mktemp("tagger"), positions=256)


def tagger(model: str, **options: object) -> Tagger:
    spec = {"model": model, "prompt": PLAIN, "max_tokens": 96, "max_new_tokens": 6, "precision": "float32", **options}
    return Tagger(TaggerSpec.model_validate(spec), device="cpu")


def test_answers_are_those_of_greedy_decoding_token_by_token(model):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, reference = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model).eval()
    expected = []
    for question in (QUESTIONS[0], QUESTIONS[2]):
        ids = tokenizer(f"tag {question}\nAssistant:")["input_ids"]
        start = len(ids)
        with torch.no_grad():
            while len(ids) < start + 6 and (len(ids) == start or ids[-1] != tokenizer.eos_token_id):
                ids.append(int(reference(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        expected.append(tokenizer.decode(ids[start:], skip_special_tokens=True))
    assert tagger(model).answers([QUESTIONS[0], QUESTIONS[2]]) == expected


def test_a_row_has_the_same_answer_alone_and_in_any_batch(model):
    together = tagger(model).answers(QUESTIONS)
    alone = [tagger(model, token_budget=1).answers([question])[0] for question in QUESTIONS]
    assert together == alone
    assert tagger(model, token_budget=70).answers(QUESTIONS) == together


def test_a_row_without_text_is_not_asked_about(model):
    seen: list[tuple[int, int]] = []
    found = tagger(model).answers(QUESTIONS, progress=lambda done, n: seen.append((done, n)))
    assert found[1] == found[4] == ""
    assert seen[-1] == (5, 5)
    assert tagger(model).answers([]) == []


def test_a_long_instruction_is_cut_and_the_rest_of_the_prompt_stays(model):
    asked = tagger(model)
    long = "the quick brown fox " * 200
    ids = asked._ids(asked._cut(long))
    assert 80 <= len(ids) <= 96
    tail = asked._tokenizer("\nAssistant:", add_special_tokens=False)["input_ids"]
    assert ids[-len(tail) + 1 :] == tail[1:]
    assert asked.answers([long]) == asked.answers([asked._cut(long)])


def test_a_chat_model_gets_its_template(tmp_path: Path):
    asked = tagger(tiny_causal("llama", tmp_path, chat=True, positions=256))
    assert asked._tokenizer.decode(asked._ids("x")).replace(" ", "").startswith("<user>tagx")
    assert len(asked.answers(["how many apples"])) == 1


def test_limits_that_do_not_suit_the_model_are_refused(model):
    with pytest.raises(ValueError, match="256 positions"):
        tagger(model, max_tokens=250, max_new_tokens=7)
    with pytest.raises(ValueError, match="no room"):
        tagger(model, prompt=PROMPT, max_tokens=16)


@pytest.mark.parametrize("prompt", ["tags?", "{instruction} {instruction}"])
def test_a_prompt_needs_one_place_for_the_instruction(prompt):
    with pytest.raises(ValueError, match="exactly once"):
        TaggerSpec(model="x", prompt=prompt)
