"""A model of this process that answers: greedy as token by token, drawn by the request alone, first-token odds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Item, Request
from datasel_assets.models.local_answers import LocalModel
from datasel_assets.specs.causal import CausalSpec
from datasel_assets_tests.models.test_causal_lm import tiny_causal

TEXTS = ["how many apples", "write a story about a brown fox and a lazy dog", "def add(a, b)", "quick"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_causal("llama", tmp_path_factory.mktemp("answers"), positions=256)


def model(folder: str, **more: int) -> LocalModel:
    return LocalModel(CausalSpec(model=folder, precision="float32"), device="cpu", **more)


def request(text: str, **more: object) -> Request:
    base = Request(Item(text), [{"role": "user", "content": text}], 6, 0.0, 0, (), None, 0, {"model": "m"})
    return replace(base, **more)  # type: ignore[arg-type]


def asked(own: LocalModel, requests: list[Request]) -> dict[str, Reply]:
    found: dict[str, Reply] = {}
    own.ask(requests, lambda sent, reply: found.update({sent.item.row_id: reply}) or ())
    return found


def test_replies_are_those_of_greedy_decoding_alone_and_in_any_batch(folder: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, reference = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    together = asked(model(folder), [request(text) for text in TEXTS])
    for text in TEXTS:
        ids = tokenizer(f"{text}\n\nAnswer:")["input_ids"]
        start = len(ids)
        with torch.no_grad():
            while len(ids) < start + 6 and (len(ids) == start or ids[-1] != tokenizer.eos_token_id):
                ids.append(int(reference(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        assert together[text].text == tokenizer.decode(ids[start:], skip_special_tokens=True)
        assert together[text].tokens_in == start
    alone = asked(model(folder, token_budget=1), [request(text) for text in TEXTS])
    assert {text: reply.text for text, reply in alone.items()} == {t: r.text for t, r in together.items()}


def test_the_probabilities_of_words_are_those_of_the_next_token(folder: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, reference = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    found = asked(model(folder), [request(text, options=("a", "b")) for text in TEXTS])
    for text in TEXTS:
        ids = tokenizer(f"{text}\n\nAnswer:", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            expected = reference(input_ids=ids).logits[0, -1].log_softmax(-1)
        logprobs = found[text].logprobs
        assert logprobs
        for token, value in logprobs.items():
            (word,) = tokenizer(token, add_special_tokens=False)["input_ids"][-1:]
            assert value == pytest.approx(float(expected[word]), abs=1e-4)
        assert found[text].text == max(logprobs, key=lambda token: logprobs[token])


def test_a_drawn_reply_depends_on_its_own_request_alone(folder: str):
    drawn = [request(text, temperature=1.0) for text in TEXTS]
    together, alone = asked(model(folder), drawn), asked(model(folder, token_budget=1), drawn[::-1])
    assert {text: reply.text for text, reply in alone.items()} == {t: r.text for t, r in together.items()}
    other = asked(model(folder), [replace(one, seed=1) for one in drawn])
    assert any(other[text].text != together[text].text for text in TEXTS)


def test_draws_have_the_probabilities_of_the_model(folder: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, reference = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = tokenizer("quick\n\nAnswer:", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        probabilities = reference(input_ids=ids).logits[0, -1].softmax(-1).numpy()
    likeliest = int(probabilities.argmax())
    many = [
        replace(request("quick", temperature=1.0, max_tokens=1, seed=seed), item=Item(str(seed))) for seed in range(600)
    ]
    texts = [reply.text for reply in asked(model(folder), many).values()]
    share = np.mean([text == tokenizer.decode([likeliest]) for text in texts])
    p = float(probabilities[likeliest])
    assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / 600)


def test_a_prompt_that_does_not_fit_costs_only_itself(folder: str):
    found = asked(model(folder), [request("fox " * 400), request("quick")])
    assert "lower max_chars" in str(found["fox " * 400].failed)
    assert found["quick"].failed is None


def test_what_is_asked_again_is_answered_too(folder: str):
    seen: list[int] = []

    def told(sent: Request, reply: Reply) -> list[Request]:
        seen.append(sent.attempt)
        return [replace(sent, attempt=sent.attempt + 1)] if sent.attempt < 2 else []

    model(folder).ask([request("quick")], told)
    assert seen == [0, 1, 2]


def test_a_template_without_a_system_message_gets_it_with_the_question(tmp_path: Path):
    from transformers import AutoTokenizer

    folder = tiny_causal("llama", tmp_path, positions=256)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
        "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    own = model(folder)
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    ids, problem = own._ids(request("q", messages=messages))
    assert problem is None
    assert own._tokenizer.decode(ids).replace(" ", "") == "<user>s\n\nq"
