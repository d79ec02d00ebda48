"""Token statistics against closed forms of a table model, and against transformers' own loss."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from datasel_assets.indicators.token_table import (
    EMPTY,
    NO_CHOICES,
    NO_PROMPT,
    NOT_FINITE,
    TOO_LONG,
    UNPREDICTED,
    TokenStats,
    choice_table,
)
from datasel_assets.indicators.tokens import TOKENS
from datasel_assets.models import causal_lm
from datasel_assets.models.causal_lm import CausalLM
from datasel_assets.models.device_memory import DeviceMemoryError
from datasel_assets.models.forward_hooks import UnsupportedModelError
from datasel_assets.models.resolve import ModelIntegrityError
from datasel_assets.specs.causal import CausalSpec
from datasel_assets_tests.models.table_lm import BAD, BOS, COLON, WORDS, ids, log_softmax, save_table_lm
from datasel_assets_tests.models.tiny import HEADS, HIDDEN, VOCABULARY, _tokenizer

torch = pytest.importorskip("torch")

V = len(WORDS)
TEXTS = ["the quick brown fox", "how many apples are left", "x", "def add(a, b): return a + b", "two of seven", "yes"]


def talk(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


def lm(model: str, **options: object) -> CausalLM:
    budget = options.pop("token_budget", None)
    spec = CausalSpec(model=model, **{"max_tokens": 32, "precision": "float32", "template": "plain", **options})
    return CausalLM(spec, "cpu", token_budget=budget)


def random_table(seed: int = 0) -> np.ndarray:
    return 2 * np.random.default_rng(seed).standard_normal((V, V))


@pytest.fixture(scope="module")
def bigram(tmp_path_factory) -> tuple[str, np.ndarray]:
    """A folder of a table model, and its log-probabilities (V, V)."""
    table = random_table().astype(np.float32)
    return save_table_lm(tmp_path_factory.mktemp("bigram"), table), log_softmax(table.astype(np.float64))


def tiny_causal(
    kind: str, folder: Path, *, chat: bool = False, seed: int = 0, positions: int = 64, **options: object
) -> str:
    import transformers as t

    torch.manual_seed(seed)
    if kind == "gpt2":
        config = t.GPT2Config(vocab_size=257, n_embd=HIDDEN, n_layer=2, n_head=HEADS, n_positions=positions, **options)
    else:
        names = {"llama": t.LlamaConfig, "gemma2": t.Gemma2Config, "granite": t.GraniteConfig}
        config = names[kind](
            vocab_size=VOCABULARY,
            hidden_size=HIDDEN,
            num_hidden_layers=2,
            num_attention_heads=HEADS,
            num_key_value_heads=2,
            head_dim=HIDDEN // HEADS,
            intermediate_size=64,
            max_position_embeddings=positions,
            pad_token_id=None,
            **options,
        )
    model = t.AutoModelForCausalLM.from_config(config)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "norm" not in name:
            parameter.data.normal_(std=0.3)
    model.save_pretrained(folder)
    _tokenizer("llama", chat).save_pretrained(folder)
    return str(folder)


def byte_tokenizer(folder: Path) -> None:
    """Save a tokenizer of one token for each byte: no BOS, no padding, no chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: i for i, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    saved = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    assert (saved.bos_token, saved.pad_token, saved.chat_template) == (None, None, None)
    saved.save_pretrained(folder)


def transformers_loss(model: str, prompt: str, answer: str) -> float:
    """The mean loss of the answer's tokens by transformers itself; the boundary must not lie inside a token."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, reference = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model).eval()
    before, whole = tokenizer(prompt)["input_ids"], tokenizer(prompt + answer)["input_ids"]
    assert whole[: len(before)] == before
    labels = [-100] * len(before) + whole[len(before) :]
    with torch.no_grad():
        return float(reference(input_ids=torch.tensor([whole]), labels=torch.tensor([labels])).loss)


def conditioned(model: str, rows: list, **options: object) -> TokenStats:
    with lm(model, **options) as scorer:
        return scorer.token_stats(scorer.conditioned(rows), keep_tokens=True)


def test_a_uniform_table_has_the_entropy_of_its_vocabulary(tmp_path):
    rows = [talk("x y", "a b c"), talk("one", "d")]
    with lm(save_table_lm(tmp_path, np.zeros((V, V)))) as scorer:
        contexts = {
            "conditioned": scorer.token_stats(scorer.conditioned(rows)),
            "unconditioned_bare": scorer.token_stats(scorer.unconditioned(rows, "bare")),
            "unconditioned_header": scorer.token_stats(scorer.unconditioned(rows, "header")),
        }
    expected = {
        "nll": np.log(V),
        "entropy": np.log(V),
        "perplexity": V,
        "el2n": np.sqrt(1 - 1 / V),
        "margin": 0,
        "min_margin": 0,
        "least_confidence": 1 - 1 / V,
        "ifd_loss_ratio": 1,
        "ifd_perplexity_ratio": 1,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(TOKENS[name](contexts), [value] * 2, rtol=1e-6, atol=1e-7, err_msg=name)


def test_a_deterministic_table_is_never_surprised(tmp_path):
    table = np.zeros((V, V))
    for before, after in zip(ids("<bos> x a b"), ids("x a b c"), strict=True):
        table[before, after] = 1000
    contexts = {"conditioned": conditioned(save_table_lm(tmp_path, table), [talk("x", "a b c")])}
    for name, value in {"nll": 0, "el2n": 0, "entropy": 0, "memorisation": 1, "margin": 1, "perplexity": 1}.items():
        assert TOKENS[name](contexts).tolist() == [value], name


def test_a_bigram_table_gives_both_ifd_scores_in_closed_form(bigram):
    model, logp = bigram
    rows = [talk("x y", "a b c"), talk("one", "d a"), talk("two", "b")]
    with lm(model) as scorer:
        contexts = {
            "conditioned": scorer.token_stats(scorer.conditioned(rows)),
            "unconditioned_bare": scorer.token_stats(scorer.unconditioned(rows, "bare")),
            "unconditioned_header": scorer.token_stats(scorer.unconditioned(rows, "header")),
        }
    with_prompt, header, bare = [], [], []
    for prompt, answer in rows:
        tokens = ids(answer["content"])
        rest = sum(logp[a, b] for a, b in pairwise(tokens))
        firsts = (ids(prompt["content"])[-1], COLON, BOS)
        for losses, first in zip((with_prompt, header, bare), firsts, strict=True):
            losses.append(-(logp[first, tokens[0]] + rest) / len(tokens))
    np.testing.assert_allclose(TOKENS["nll"](contexts), with_prompt, rtol=1e-5)
    np.testing.assert_allclose(TOKENS["ifd_loss_ratio"](contexts), np.divide(with_prompt, header), rtol=1e-5)
    np.testing.assert_allclose(
        TOKENS["ifd_perplexity_ratio"](contexts), np.exp(np.subtract(with_prompt, bare)), rtol=1e-5
    )


def test_the_record_of_each_token_is_the_table(bigram):
    model, logp = bigram
    stats = conditioned(model, [talk("x y", "a b"), talk("one", ""), talk("d", "c")])
    tokens = stats.tokens
    assert tokens.offsets.tolist() == [0, 2, 2, 3]
    assert tokens.token.tolist() == ids("a b c")
    before = ids("y a d")
    p = np.exp(logp[before])
    top = np.sort(p, 1)[:, ::-1]
    np.testing.assert_allclose(tokens.logp, logp[before, tokens.token], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tokens.entropy, -(p * logp[before]).sum(1), rtol=1e-5)
    np.testing.assert_allclose(tokens.top1, top[:, 0], rtol=1e-5)
    np.testing.assert_allclose(tokens.top2, top[:, 1], rtol=1e-5)
    np.testing.assert_allclose(tokens.sum_p2, (p**2).sum(1), rtol=1e-5)
    assert tokens.hit.tolist() == (p.argmax(1) == tokens.token).tolist()
    assert stats.reason.tolist() == ["", EMPTY, ""]


def test_each_turn_is_scored_given_all_before_it(bigram):
    model, logp = bigram
    row = talk("x", "a b", "y one", "c d")
    stats = conditioned(model, [row])
    assert (stats.row.tolist(), stats.turn.tolist()) == ([0, 0], [0, 1])
    losses = [[logp[i, j] for i, j in zip(ids(b), ids(a), strict=True)] for b, a in (("x a", "a b"), ("one c", "c d"))]
    np.testing.assert_allclose(stats.nll, -np.mean(losses, 1), rtol=1e-5)
    np.testing.assert_allclose(stats.by_row.nll, [-np.mean(losses)], rtol=1e-5)


def test_the_prompt_is_scored_in_the_pass_that_reads_it_and_changes_no_byte_of_the_response(bigram):
    model, logp = bigram
    rows = [talk("x y", "a b"), talk("one two", "c"), talk("one two", "d"), talk("b", "a", "y one", "c d")]
    with lm(model) as scorer:
        requests = scorer.conditioned(rows)
        alone, (stats, prompts) = scorer.token_stats(requests), scorer.stats_with_prompts(requests)
    for name, values in alone.columns().items():
        np.testing.assert_array_equal(values, stats.columns()[name])
    assert (prompts.row.tolist(), prompts.turn.tolist()) == ([0, 1, 2, 3, 3], [0, 0, 0, 0, 1])
    read = [("<bos> x", "x y"), ("<bos> one", "one two"), ("<bos> one", "one two"), ("<bos>", "b"), ("a y", "y one")]
    losses = [[logp[i, j] for i, j in zip(ids(before), ids(own), strict=True)] for before, own in read]
    np.testing.assert_allclose(prompts.nll, [-np.mean(loss) for loss in losses], rtol=1e-5)
    pooled = [*(-np.mean(loss) for loss in losses[:3]), -np.mean(losses[3] + losses[4])]
    np.testing.assert_allclose(TOKENS["prompt_nll"]({"prompt": prompts}), pooled, rtol=1e-5)
    np.testing.assert_allclose(TOKENS["prompt_perplexity"]({"prompt": prompts}), np.exp(pooled), rtol=1e-5)


def test_prompt_losses_are_those_of_transformers(tmp_path):
    model = tiny_causal("llama", tmp_path)
    with lm(model) as scorer:
        _, prompts = scorer.stats_with_prompts(scorer.conditioned([talk(text, "(they flow)") for text in TEXTS]))
    np.testing.assert_allclose(prompts.nll, [transformers_loss(model, "", text) for text in TEXTS], rtol=1e-5)


def test_a_long_row_is_scored_at_both_ends(bigram):
    model, logp = bigram
    answer = "a b c d a b c d three four"
    stats = conditioned(model, [talk("x y one", answer)], max_tokens=8)
    # <bos> one | a b c .. d three four: the d after the gap has no known neighbour.
    pairs = zip(ids("one a b d three"), ids("a b c three four"), strict=True)
    np.testing.assert_allclose(stats.nll, [-np.mean([logp[i, j] for i, j in pairs])], rtol=1e-5)
    assert (stats.n_truncated, stats.n_skipped, stats.count.tolist()) == (1, 0, [5])
    skipped = conditioned(model, [talk("x y one", answer), talk("x", "a")], max_tokens=8, overflow="skip")
    assert (skipped.n_truncated, skipped.n_skipped) == (0, 1)
    assert skipped.by_row.reason.tolist() == [TOO_LONG, ""]
    assert np.isnan(skipped.by_row.nll).tolist() == [True, False]


def test_a_row_whose_logits_are_not_numbers_is_nan_and_the_others_are_not(tmp_path):
    model = save_table_lm(tmp_path, random_table(), break_on=BAD)
    rows = [talk("x bad", "a b"), talk("x y", "a b"), talk("x", "a bad c")]
    stats = conditioned(model, rows)
    assert np.isnan(stats.nll).tolist() == [True, False, True]
    assert stats.reason.tolist() == [NOT_FINITE, "", NOT_FINITE]
    assert np.isnan(TOKENS["perplexity"]({"conditioned": stats})).tolist() == [True, False, True]


def test_a_model_that_only_returns_nan_gives_nan_with_a_reason(tmp_path):
    stats = conditioned(save_table_lm(tmp_path, np.full((V, V), np.nan)), [talk("x", "a b")])
    assert np.isnan(stats.nll).all()
    assert stats.reason.tolist() == [NOT_FINITE]


def test_an_answer_of_one_token_needs_bos_or_a_prompt(tmp_path):
    model = save_table_lm(tmp_path, random_table(), bos=False)
    with lm(model) as scorer:
        rows = [talk("x", "a")]
        bare = scorer.token_stats(scorer.unconditioned(rows, "bare"))
        assert bare.by_row.reason.tolist() == [UNPREDICTED]
        assert np.isnan(bare.by_row.nll).all()
        assert np.isfinite(scorer.token_stats(scorer.conditioned(rows)).nll).all()


def test_a_row_without_a_prompt_has_no_ifd(bigram):
    rows = [[{"role": "assistant", "content": "a b"}], talk("x", "a b")]
    with lm(bigram[0]) as scorer:
        contexts = {
            "conditioned": scorer.token_stats(scorer.conditioned(rows)),
            "unconditioned_bare": scorer.token_stats(scorer.unconditioned(rows, "bare")),
        }
    assert np.isnan(TOKENS["ifd_perplexity_ratio"](contexts)).tolist() == [True, False]
    assert np.isfinite(TOKENS["nll"](contexts)).all()
    assert contexts["unconditioned_bare"].by_row.reason.tolist() == [NO_PROMPT, ""]


def test_no_rows_are_no_statistics(bigram):
    stats = conditioned(bigram[0], [])
    assert (stats.n_rows, len(stats.nll)) == (0, 0)
    assert len(stats.by_row.nll) == 0


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2", "granite"])
def test_losses_are_those_of_transformers(kind, tmp_path):
    options = {"gemma2": {"final_logit_softcapping": 5.0}, "granite": {"logits_scaling": 3.0}}.get(kind, {})
    model = tiny_causal(kind, tmp_path, **options)
    rows = [talk(f"{text}", f"({other})") for text, other in zip(TEXTS, reversed(TEXTS), strict=True)]
    stats = conditioned(model, rows, max_tokens=64)
    expected = [transformers_loss(model, f"{user['content']}\n\n", answer["content"]) for user, answer in rows]
    np.testing.assert_allclose(stats.nll, expected, rtol=1e-5)


def test_rows_beside_it_do_not_change_a_row(tmp_path):
    model = tiny_causal("llama", tmp_path)
    rows = [talk(a, b) for a in TEXTS for b in TEXTS]
    alone = conditioned(model, rows, token_budget=1)
    together = conditioned(model, rows[::-1], token_budget=10_000)
    np.testing.assert_allclose(together.nll[::-1], alone.nll, rtol=2e-5)
    np.testing.assert_allclose(together.min_margin[::-1], alone.min_margin, atol=2e-6)


def test_a_chat_template_and_rows_in_any_script_are_scored(tmp_path):
    model = tiny_causal("llama", tmp_path, chat=True)
    answers = ["x", "a" + chr(0xD800), "abc 你好吗", "שלום a", "👋🏽 x", " "]
    rows = [talk("how many apples", answer) for answer in answers]
    with lm(model, template="auto", max_tokens=64) as scorer:
        assert scorer.renderer.template == "chat"
        requests = scorer.conditioned(rows)
        stats = scorer.token_stats(requests)
        assert requests.fallbacks == 0
        assert scorer.conditioned([[{"role": "tool", "content": "x"}, *rows[0]]]).fallbacks == 1
    assert np.isfinite(stats.nll).all()
    assert stats.reason.tolist() == [""] * len(answers)


def test_subnets_mask_weights_by_seed_and_leave_the_model_as_it_was(tmp_path):
    rows = [talk(text, "the lazy dog") for text in TEXTS]
    with lm(tiny_causal("gpt2", tmp_path)) as scorer:
        requests = scorer.conditioned(rows)
        before = scorer.token_stats(requests)
        first = list(scorer.subnet_stats(requests, rates=(0.0, 0.5)))
        again = list(scorer.subnet_stats(requests, rates=(0.0, 0.5)))
        other = list(scorer.subnet_stats(requests, rates=(0.0, 0.5), seed=9))
        after = scorer.token_stats(requests)
    np.testing.assert_array_equal(before.nll, after.nll)
    np.testing.assert_array_equal(before.nll, first[0].nll)
    np.testing.assert_array_equal(first[1].nll, again[1].nll)
    assert (first[1].nll != before.nll).all()
    assert (first[1].nll != other[1].nll).all()


def test_a_subnet_keeps_its_share_of_the_weights(tmp_path):
    with lm(tiny_causal("llama", tmp_path)) as scorer:
        model = scorer._parts.model
        weight, embedding = model.model.layers[0].mlp.up_proj.weight, model.model.embed_tokens.weight
        whole, table = weight.clone(), embedding.clone()
        with scorer.subnet(0.25, seed=1):
            kept = weight != 0
            assert 0.7 < kept.float().mean() < 0.8
            torch.testing.assert_close(weight[kept], whole[kept] / 0.75)
            assert torch.equal(embedding, table)
        assert torch.equal(weight, whole)
        with pytest.raises(ValueError, match="rate 1"), scorer.subnet(1, seed=0):
            pass


def test_dropped_words_change_the_probability_of_the_answer(tmp_path):
    rows = [talk("how many apples are left when two", "the quick fox"), talk("apples", "fox")]
    with lm(tiny_causal("llama", tmp_path), max_tokens=64) as scorer:
        contexts = {"conditioned": scorer.token_stats(scorer.conditioned(rows))}
        for k, requests in enumerate(scorer.perturbed(rows, copies=3)):
            contexts[f"perturbed_{k}"] = scorer.token_stats(requests)
    found = TOKENS["prompt_uncertainty"](contexts)
    assert 0 < found[0] < 1
    assert np.isnan(found[1])


MULTIPLE_CHOICE = [
    talk("one two\n(A) a (B) b (C) c", "C"),
    talk("one two", "a"),
    talk("x\n(A) a (B) b", "(B)"),
]


def test_a_uniform_model_is_indifferent_between_choices(tmp_path):
    with lm(save_table_lm(tmp_path, np.zeros((V, V))), max_tokens=64) as scorer:
        contexts = {"choices": scorer.token_stats(scorer.choices(MULTIPLE_CHOICE))}
    np.testing.assert_allclose(TOKENS["cape"](contexts), [2 / 3, np.nan, 1 / 2], rtol=1e-6)
    assert contexts["choices"].by_row.reason.tolist() == ["", NO_CHOICES, ""]


def test_cape_is_that_of_an_independent_softmax_over_letters(tmp_path):
    """By transformers: for each order, the probabilities of the letters after the prompt, summed by choice."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = tiny_causal("gpt2", tmp_path, positions=128)
    byte_tokenizer(tmp_path)
    row = talk("how many?\n(A) one (B) two (C) seven", "C")
    with lm(model, max_tokens=128) as scorer:
        requests = scorer.choices([row], orders=6)
        passes = scorer._tokenizer.score(requests.items)
        found = TOKENS["cape"]({"choices": scorer.token_stats(requests)})
        table = choice_table(scorer.token_stats(requests))
    assert (len(passes.ids), len(passes.target)) == (6, 18), "the letters of one prompt share its pass"
    tokenizer, reference = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model).eval()
    expected = np.zeros((6, 3))
    for request in requests.items:
        prompt, choice = divmod(request.turns[0], 26)
        before, letter = (request.text[: request.spans[0][0]], request.text[slice(*request.spans[0])])
        ids = tokenizer(before, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logp = reference(ids).logits[0, -1].log_softmax(-1)
        expected[prompt, choice] = logp[tokenizer(letter)["input_ids"][0]]
    np.testing.assert_allclose(table[0], expected, rtol=1e-4)
    shares = np.exp(expected) / np.exp(expected).sum(1, keepdims=True)
    np.testing.assert_allclose(found, [1 - shares.mean(0).max()], rtol=1e-5)


def test_answers_of_one_token_to_one_prompt_share_a_pass_and_keep_their_values(bigram):
    model, logp = bigram
    rows = [talk("x y", word) for word in ("a", "b", "a")] + [talk("y", "a"), talk("x y", "a b")]
    with lm(model) as scorer:
        scored = scorer._tokenizer.score(scorer.conditioned(rows).items)
        stats = scorer.token_stats(scorer.conditioned(rows))
    assert len(scored.ids) == 3
    after = [logp[i, j] for i, j in (ids("y a"), ids("y b"), ids("y a"), ids("y a"))]
    np.testing.assert_allclose(stats.nll[:4], -np.array(after), rtol=1e-5)


ANY_SCRIPT = {
    "one token": talk("x", "a"),
    "chinese": talk("你好吗？请说", "我很好，谢谢你。"),
    "right to left": talk("שלום מה שלומך", "مرحبا بالعالم"),
    "emoji": talk("👋🏽 🏳️‍🌈", "👩‍👩‍👧‍👦"),
    "control": talk("\u200b\u0000", "\ufeff\u202e x"),
    "long": talk("one " * 200, "two " * 200),
    "blank": talk("x", " \n"),
    "no answer": talk("x"),
}


@pytest.mark.parametrize("overflow", ["truncate", "skip"])
def test_any_text_has_every_score_or_a_reason_without_a_chat_template_or_a_pad_token(tmp_path, overflow):
    """Section G: a tokenizer without template and pad token, each kind of bad input, in all contexts at once."""
    model = tiny_causal("gpt2", tmp_path, positions=512)
    byte_tokenizer(tmp_path)
    rows = list(ANY_SCRIPT.values())
    with lm(model, template="auto", max_tokens=512, overflow=overflow) as scorer:
        contexts = {
            "conditioned": scorer.token_stats(scorer.conditioned(rows)),
            "unconditioned_bare": scorer.token_stats(scorer.unconditioned(rows, "bare")),
            "unconditioned_header": scorer.token_stats(scorer.unconditioned(rows, "header")),
            "subnet_0": next(scorer.subnet_stats(scorer.conditioned(rows), rates=(0.5,))),
            "checkpoint_0": scorer.token_stats(scorer.conditioned(rows)),
            "choices": scorer.token_stats(scorer.choices(rows)),
            "prompt": scorer.stats_with_prompts(scorer.conditioned(rows))[1],
        }
        contexts |= {f"perturbed_{k}": scorer.token_stats(r) for k, r in enumerate(scorer.perturbed(rows, copies=2))}
    whole = contexts["conditioned"].by_row
    for name, reason in zip(ANY_SCRIPT, whole.reason, strict=True):
        long = TOO_LONG if overflow == "skip" else ""
        expected = {"long": long, "blank": EMPTY, "no answer": "no response"}.get(name, "")
        assert reason == expected, name
    scored = whole.reason == ""
    for name, indicator in TOKENS.items():
        values = indicator(contexts)
        assert not np.isinf(values).any(), name
        if name == "cape":
            assert np.isnan(values).all()
        elif name not in ("prompt_uncertainty", "ifd_perplexity_ratio"):
            np.testing.assert_array_equal(np.isfinite(values), scored, err_msg=name)
    # Without BOS the one token of a bare answer has no prediction, and a prompt of one word none to drop.
    bare, dropped = (np.isnan(TOKENS[name](contexts)) for name in ("ifd_perplexity_ratio", "prompt_uncertainty"))
    place = list(ANY_SCRIPT).index
    assert bare[place("one token")]
    assert contexts["unconditioned_bare"].by_row.reason[place("one token")] == UNPREDICTED
    assert dropped[place("one token")]
    assert not bare[place("chinese")]
    assert not dropped[place("right to left")]
    assert int(contexts["conditioned"].n_truncated) == (overflow == "truncate")
    assert int(contexts["conditioned"].n_skipped) == (overflow == "skip")


def test_bfloat16_is_near_float32(tmp_path):
    model = tiny_causal("llama", tmp_path)
    rows = [talk(text, "the lazy dog jumps") for text in TEXTS]
    exact, rough = conditioned(model, rows), conditioned(model, rows, precision="bfloat16")
    np.testing.assert_allclose(rough.nll, exact.nll, rtol=0.05)


def test_encoders_are_refused_however_they_were_saved(tiny_model, tmp_path):
    with pytest.raises(ValueError, match="distilbert is no causal language model"):
        lm(tiny_model("distilbert"))
    with pytest.raises(ModelIntegrityError, match="weights are missing"):
        lm(tiny_model("bert"))
    from transformers import BertConfig, BertForMaskedLM

    shape = {"hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": HEADS, "intermediate_size": 64}
    BertForMaskedLM(BertConfig(vocab_size=VOCABULARY, initializer_range=0.5, **shape)).save_pretrained(tmp_path)
    _tokenizer("bert", False).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="sees the tokens"):
        lm(str(tmp_path))


def test_a_context_longer_than_the_model_is_refused(bigram):
    with pytest.raises(ValueError, match="64 positions"):
        lm(bigram[0], max_tokens=65)


def test_parts_that_do_not_give_the_logits_of_the_model_are_refused(tmp_path, monkeypatch):
    model = tiny_causal("llama", tmp_path)
    monkeypatch.setattr(causal_lm, "take_apart", broken_parts)
    with pytest.raises(UnsupportedModelError, match="differ"):
        lm(model)


def broken_parts(model, pad_id, tolerance):
    from datasel_assets.models.causal_loading import take_apart

    model.config.final_logit_softcapping = 1.0
    return take_apart(model, pad_id, tolerance)


def test_a_batch_that_does_not_fit_is_halved_and_a_row_that_does_not_fit_is_named(bigram, monkeypatch):
    rows = [talk("x", "a b c d"), talk("y", "a b c"), talk("one", "d")] * 4
    with lm(bigram[0], token_budget=1000) as scorer:
        requests = scorer.conditioned(rows)
        whole = scorer.token_stats(requests)
        monkeypatch.setattr(scorer, "_run", scorer._run_shrinking)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
        batch = scorer._batch

        def small(scored, rows):
            if len(rows) > 2:
                raise torch.OutOfMemoryError("too much")
            return batch(scored, rows)

        monkeypatch.setattr(scorer, "_batch", small)
        np.testing.assert_allclose(scorer.token_stats(requests).nll, whole.nll, rtol=1e-6)

        def never(scored, rows):
            raise torch.OutOfMemoryError("too much")

        monkeypatch.setattr(scorer, "_batch", never)
        with pytest.raises(DeviceMemoryError, match="one row of 6 tokens"):
            scorer.token_stats(requests)


def test_the_name_of_the_tables_tells_apart_what_changes_the_numbers():
    assert CausalSpec(model="owner/Tiny-LM").slug == "tiny_lm_t512"
    other = CausalSpec(
        model="x/y", template="plain", precision="float32", overflow="skip", revision="main", max_tokens=9
    )
    assert other.slug == "y_t9_plain_float32_skip_rmain"


def test_progress_counts_every_token_once(bigram):
    calls = []
    with lm(bigram[0], token_budget=8) as scorer:
        requests = scorer.conditioned([talk("x", f"{word} b") for word in ("a", "b", "c", "d", "x", "y")])
        scorer.token_stats(requests, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (24, 24)
    assert len(calls) > 1
