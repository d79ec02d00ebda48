import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.models import tokens
from datasel_assets.models.resolve import ModelNotFoundError
from datasel_assets.models.tokens import TokenCounter
from datasel_assets.specs.encoder import DEFAULT_MODEL


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    return TokenCounter(DEFAULT_MODEL)


def test_special_tokens_are_not_counted(counter):
    assert counter.count(["hello world", "", " ", "tokenization"]) == [2, 0, 0, 2]


def test_the_limit_in_the_tokenizer_file_does_not_cut_a_count(counter):
    assert counter.count(["word " * 3000]) == [3000]


def test_a_long_text_counts_as_its_words_do(counter, monkeypatch):
    text = "one two three\nfour " * 500
    expected = counter.count([text])
    monkeypatch.setattr(tokens, "PIECE_CHARS", 64)
    monkeypatch.setattr(tokens, "BATCH_CHARS", 1000)
    assert counter.count(["before", text, "after"]) == [1, *expected, 1]


def test_a_long_text_without_white_space_is_counted(counter, monkeypatch):
    monkeypatch.setattr(tokens, "PIECE_CHARS", 64)
    assert counter.count(["é" * 1000])[0] > 0


@given(st.lists(st.text(st.characters(), max_size=30), max_size=5))
def test_no_text_crashes_the_counter(texts):
    assert all(count >= 0 for count in TokenCounterOnce.get().count(texts))


def test_lone_surrogates_and_control_characters_are_counted(counter):
    assert counter.count(["a\ud800b", "\x00", "\U0010ffff", "a\u202eb"]) == [
        counter.count(["a?b"])[0],
        0,
        1,
        counter.count(["ab"])[0],
    ]


def test_the_identity_names_the_tokenizer_and_not_its_place(counter, tiny_model):
    assert TokenCounter("all-MiniLM-L6-v2").identity == counter.identity
    assert TokenCounter(tiny_model("llama")).identity != counter.identity


def test_a_model_without_a_tokenizer_file_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelNotFoundError, match=r"no tokenizer\.json"):
        TokenCounter(str(tmp_path))


def test_counting_loads_neither_torch_nor_transformers():
    code = (
        "import sys; from datasel_assets.models.tokens import TokenCounter;"
        f"TokenCounter({DEFAULT_MODEL!r}).count(['a b']);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class TokenCounterOnce:
    """Hypothesis may not use function-scoped fixtures; one counter serves all examples."""

    made: TokenCounter | None = None

    @classmethod
    def get(cls) -> TokenCounter:
        cls.made = cls.made or TokenCounter(DEFAULT_MODEL)
        return cls.made
