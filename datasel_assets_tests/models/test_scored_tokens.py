"""Which tokens of a row are read and scored."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.indicators.token_table import EMPTY, NO_RESPONSE, TOO_LONG, UNPREDICTED
from datasel_assets.models.contexts import Request
from datasel_assets.models.resolve import ResolvedModel
from datasel_assets.models.scored_tokens import ScoringTokenizer, cut
from datasel_assets_tests.models.table_lm import WORDS, ids


def tokenizer(folder: Path, *, bos: bool = True, limit: int = 64, overflow="truncate") -> ScoringTokenizer:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"bos_token": "<bos>"} if bos else {}
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", **names).save_pretrained(folder)
    return ScoringTokenizer(ResolvedModel(folder, None, "local"), limit, overflow)


def request(prompt: str, answer: str, hidden: str = "") -> Request:
    text = f"{prompt} {answer}" if prompt else answer
    return Request(0, (0,), text, ((len(text) - len(answer), len(text)),), hidden=hidden)


def test_the_answer_is_scored_and_bos_predicts_its_first_token(tmp_path):
    scored = tokenizer(tmp_path).score([request("x y", "a b"), request("", "a b c")])
    assert [row.tolist() for row in scored.ids] == [ids("<bos> x y a b"), ids("<bos> a b c")]
    assert [positions.tolist() for positions in scored.positions] == [[3, 4], [1, 2, 3]]
    assert scored.target.tolist() == ids("a b a b c")
    assert scored.offsets.tolist() == [0, 2, 5]


def test_without_bos_the_first_token_of_a_bare_answer_is_not_scored(tmp_path):
    scored = tokenizer(tmp_path, bos=False).score([request("", "a b"), request("", "a")])
    assert scored.target.tolist() == ids("b")
    assert scored.reason.tolist() == ["", UNPREDICTED]


def test_an_empty_answer_has_a_reason(tmp_path):
    scored = tokenizer(tmp_path).score([Request(0, (0,), "x", ((1, 1),))])
    assert scored.reason.tolist() == [EMPTY]
    assert scored.ids == []


def test_an_answer_without_tokens_is_empty_however_long_its_prompt_is(tmp_path):
    blank = Request(0, (0,), "  ", ((0, 2),), hidden="x " * 40)
    scored = tokenizer(tmp_path, limit=8).score([blank, request("x", "a")])
    assert scored.reason.tolist() == [EMPTY, ""]
    assert scored.target.tolist() == ids("a")


def test_all_turns_that_fit_share_one_pass(tmp_path):
    text = "x a b y c"
    scored = tokenizer(tmp_path).score([Request(3, (0, 1), text, ((2, 5), (8, 9)))])
    assert len(scored.ids) == 1
    assert scored.target.tolist() == ids("a b c")
    assert (scored.row.tolist(), scored.turn.tolist(), scored.offsets.tolist()) == ([3, 3], [0, 1], [0, 2, 3])


def test_a_long_row_keeps_both_ends_of_the_prompt_and_of_the_answer(tmp_path):
    scored = tokenizer(tmp_path, limit=8).score([request("x y x y one two", "a b c d three four")])
    # Six tokens of the answer would leave the prompt two; three quarters of 8 are 6.
    assert scored.ids[0].tolist() == ids("<bos> two a b c d three four")
    assert scored.target.tolist() == ids("a b c d three four")
    assert scored.truncated.tolist() == [True]
    longer = tokenizer(tmp_path, limit=8).score([request("x y one", "a b c d a b c d three four")])
    assert longer.ids[0].tolist() == ids("<bos> one a b c d three four")
    # The token after the gap is not scored: its neighbour is not the one that it had.
    assert longer.target.tolist() == ids("a b c three four")


def test_a_bare_answer_loses_the_same_tokens_as_with_its_prompt(tmp_path):
    scorer = tokenizer(tmp_path, limit=8)
    answer = "a b c d a b c d three four"
    with_prompt = scorer.score([request("x y one", answer)])
    bare = scorer.score([request("", answer, hidden="x y one")])
    alone = scorer.score([request("", "a b c d three four", hidden="x")])
    assert bare.target.tolist() == with_prompt.target.tolist()
    assert bare.truncated.tolist() == [True]
    assert alone.truncated.tolist() == [False]


def test_skip_scores_the_turns_that_fit_and_no_other(tmp_path):
    text = "x a b y c d"
    scored = tokenizer(tmp_path, limit=5, overflow="skip").score([Request(0, (0, 1), text, ((2, 5), (8, 11)))])
    assert scored.reason.tolist() == ["", TOO_LONG]
    assert scored.ids[0].tolist() == ids("<bos> x a b")


def asked(prompt: str, answer: str, row: int = 0) -> Request:
    return Request(
        row,
        (0,),
        f"{prompt} {answer}",
        ((len(prompt) + 1, len(prompt) + 1 + len(answer)),),
        prompts=((0, len(prompt)),),
    )


def test_a_prompt_is_scored_beside_its_answer_and_only_where_it_is_asked_for(tmp_path):
    requests = [asked("x y", "a b"), asked("one", "c", row=1)]
    assert tokenizer(tmp_path).score(requests).prompts is None
    scored = tokenizer(tmp_path).score(requests, prompts=True)
    assert [at.tolist() for at in scored.prompts.positions] == [[1, 2], [1]]
    assert scored.prompts.target.tolist() == ids("x y one")
    assert scored.prompts.row.tolist() == [0, 1]
    without = tokenizer(tmp_path, bos=False).score(requests, prompts=True).prompts
    assert without.target.tolist() == ids("y")
    assert without.reason.tolist() == ["", UNPREDICTED]


def test_prompts_of_answers_that_share_a_pass_are_all_scored_in_it(tmp_path):
    scored = tokenizer(tmp_path).score([asked("x y", "a"), asked("x y", "b", row=1)], prompts=True)
    assert len(scored.ids) == 1
    assert [at.tolist() for at in scored.prompts.positions] == [[1, 2, 1, 2]]
    assert scored.prompts.slots[0].tolist() == [0, 1, 2, 3]


def test_a_prompt_that_is_read_beside_a_long_answer_is_scored_whole_and_a_long_one_in_part(tmp_path):
    whole = tokenizer(tmp_path, limit=8).score([asked("x", "a b c d three four one two")], prompts=True)
    assert whole.prompts.target.tolist() == ids("x")
    assert not whole.prompts.truncated.any()
    part = tokenizer(tmp_path, limit=8).score([asked("x y one two x y one", "a b")], prompts=True)
    assert part.prompts.truncated.all()
    assert len(part.prompts.target) < 7
    skipped = tokenizer(tmp_path, limit=8, overflow="skip").score([asked("x", "a b " * 8)], prompts=True)
    assert skipped.prompts.reason.tolist() == [TOO_LONG]
    none = tokenizer(tmp_path).score([asked("x", "")], prompts=True)
    assert none.prompts.reason.tolist() == [NO_RESPONSE]


def test_a_long_conversation_takes_a_pass_for_each_turn_that_does_not_fit(tmp_path):
    text = "x a b y c d one two"
    spans = ((2, 5), (8, 11), (16, 19))
    scored = tokenizer(tmp_path, limit=6).score([Request(0, (0, 1, 2), text, spans)])
    assert len(scored.ids) == 3
    assert max(scored.lengths) <= 6
    assert scored.target.tolist() == ids("a b c d two")
    assert scored.truncated.tolist() == [False, True, True]


def test_a_token_that_holds_the_boundary_belongs_to_the_answer(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    merged = Tokenizer(models.BPE({"a": 0, ":": 1, "b": 2, ":a": 3}, [(":", "a")]))
    merged.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=merged).save_pretrained(tmp_path)
    scored = ScoringTokenizer(ResolvedModel(tmp_path, None, "local"), 16, "truncate").score(
        [Request(0, (0,), "b:ab", ((2, 4),))]
    )
    assert scored.ids[0].tolist() == [2, 3, 2]
    assert scored.target.tolist() == [3, 2]


def test_a_token_of_white_space_whose_offsets_were_trimmed_is_scored(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE({"a": 0, "Ġ": 1, "ĠĠ": 2, "b": 3}, [("Ġ", "Ġ")]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.post_processor = processors.ByteLevel(trim_offsets=True)
    PreTrainedTokenizerFast(tokenizer_object=bpe).save_pretrained(tmp_path)
    scored = ScoringTokenizer(ResolvedModel(tmp_path, None, "local"), 16, "truncate").score(
        [Request(0, (0,), "a  b", ((1, 4),))]
    )
    assert scored.target.tolist() == [2, 3]


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(2, 40))
def test_a_cut_fits_and_keeps_both_ends(prompt, response, hidden, limit):
    kept = cut(prompt, response, hidden, limit)
    assert len(kept) <= limit
    assert (np.diff(kept) > 0).all()
    assert kept[0] >= 0
    assert kept[-1] == prompt + response - 1 or (kept >= prompt).sum() == 1


@given(st.integers(0, 60), st.integers(1, 60), st.integers(2, 40))
def test_a_hidden_prompt_cuts_the_response_as_a_shown_one(prompt, response, limit):
    shown = cut(prompt, response, 0, limit)
    hidden = cut(0, response, prompt, limit)
    assert (shown[shown >= prompt] - prompt).tolist() == hidden.tolist()


def test_a_slow_tokenizer_is_refused(tmp_path, monkeypatch):
    import transformers

    from datasel_assets.models.resolve import ModelNotFoundError

    class Slow:
        is_fast = False

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_args, **_options: Slow())
    with pytest.raises(ModelNotFoundError, match="the slow Slow"):
        ScoringTokenizer(ResolvedModel(tmp_path, None, "local"), 16, "truncate")
