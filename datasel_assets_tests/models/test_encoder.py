"""The encoder against Hugging Face's own hidden states, pooled by the formula, one row at a time and unpadded."""

import shutil
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from datasel_assets.arrays.token_batches import plan_padded
from datasel_assets.models import forward_hooks
from datasel_assets.models.device import pick_dtype
from datasel_assets.models.device_memory import DeviceMemoryError
from datasel_assets.models.encoded import Encoded
from datasel_assets.models.encoder import Encoder
from datasel_assets.models.forward_hooks import HookedEngine, UnsupportedModelError, find_blocks
from datasel_assets.models.packed_bert import PackedBertEngine
from datasel_assets.models.packed_linear import can_pack
from datasel_assets.models.resolve import ModelIntegrityError
from datasel_assets.specs.encoder import DEFAULT_MODEL, EncoderSpec
from datasel_assets_tests.models.tiny import BLOCKS, DECODERS, ENCODERS, HIDDEN, VOCABULARY

torch = pytest.importorskip("torch")

TEXTS = [
    "the quick brown fox",
    "how many apples are left",
    "x",
    "def add(a, b): return a + b",
    "two of seven",
    "lazy dog lazy dog lazy",
]


def rows(texts: list[str]) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": text}] for text in texts]


def spec(model: str, **options: object) -> EncoderSpec:
    return EncoderSpec(model=model, **{"max_tokens": 48, "precision": "float32", **options})


def encode(model: str, texts: list[str], **options: object) -> Encoded:
    with Encoder(spec(model, **options), device="cpu") as encoder:
        return encoder.encode(rows(texts))


def expected(model: str, texts: list[str], pooling: str) -> list[np.ndarray]:
    """(n, d) for each entry of the hidden-state tuple, from one forward pass for each text."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, reference = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    vectors = []
    for text in texts:
        with torch.no_grad():
            output = reference(torch.tensor([tokenizer(text)["input_ids"]]), output_hidden_states=True)
        vectors.append([by_formula(hidden[0].double().numpy(), pooling) for hidden in output.hidden_states])
    return [np.stack(layer) for layer in zip(*vectors, strict=True)]


def by_formula(states: np.ndarray, pooling: str) -> np.ndarray:
    t = np.arange(1, len(states) + 1)
    return {
        "weighted_mean": (t[:, None] * states).sum(0) / t.sum(),
        "mean": states.mean(0),
        "last": states[-1],
        "cls": states[0],
    }[pooling]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", [*ENCODERS, *DECODERS])
def test_every_layer_is_the_pooled_hidden_state_of_the_model(kind, tiny_model):
    model = tiny_model(kind)
    encoded = encode(model, TEXTS)
    assert list(encoded.layers) == list(range(BLOCKS + 1))
    for layer, vectors in enumerate(expected(model, TEXTS, "weighted_mean")):
        np.testing.assert_allclose(encoded.layers[layer], vectors, atol=2e-5, err_msg=f"layer {layer}")


@pytest.mark.parametrize("pooling", ["mean", "last", "cls"])
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_every_pooling_reads_the_real_tokens(kind, pooling, tiny_model):
    model = tiny_model(kind)
    encoded = encode(model, TEXTS, pooling=pooling, layers="last")
    np.testing.assert_allclose(encoded.layers[BLOCKS], expected(model, TEXTS, pooling)[-1], atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "engine"), [("bert", "packed"), ("roberta", "packed"), ("distilbert", "hooked"), ("llama", "hooked")]
)
def test_bert_like_models_on_the_cpu_take_the_packed_engine(kind, engine, tiny_model):
    with Encoder(spec(tiny_model(kind)), device="cpu") as encoder:
        assert encoder.engine == engine


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_engines_give_the_same_vectors(kind, precision, tiny_model, monkeypatch):
    model = tiny_model(kind)
    packed = encode(model, TEXTS, precision=precision)
    monkeypatch.setattr(PackedBertEngine, "supports", staticmethod(lambda model: False))
    general = encode(model, TEXTS, precision=precision)
    # Without native bfloat16 (below AVX512) there is nothing to pack for, and the general engine is the only one.
    computed = can_pack(getattr(torch, precision), torch.device("cpu"))
    assert (packed.stats.engine, general.stats.engine) == ("packed" if computed else "hooked", "hooked")
    for layer in packed.layers:
        closest = cosines(packed.layers[layer], general.layers[layer]).min()
        assert closest > (1 - 1e-5 if precision == "float32" else 1 - 2e-3)


def test_a_padding_token_that_the_template_writes_keeps_its_place_as_in_the_reference(tiny_model, tmp_path):
    from transformers import AutoTokenizer

    model = shutil.copytree(tiny_model("roberta"), tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = "[CLS]{{ messages[0].content }} [PAD] brown fox[SEP]"
    tokenizer.save_pretrained(model)
    np.testing.assert_allclose(
        encode(str(model), ["the quick"], layers="last", template="chat").layers[BLOCKS],
        expected(str(model), ["the quick [PAD] brown fox"], "weighted_mean")[-1],
        atol=2e-5,
    )


def test_a_text_that_spells_a_special_token_is_read_as_text(tiny_model):
    """The spelling is one token when it is that token, and as many as its characters have when it is text."""
    with Encoder(spec(tiny_model("llama")), device="cpu") as encoder:
        plain, spelled = encoder.encode(rows(["the quick fox", "the quick </s> fox"])).n_tokens
    assert spelled > plain + 1


def test_rows_that_make_the_template_fail_are_read_as_plain_text_and_counted(tiny_model, tmp_path):
    from transformers import AutoTokenizer

    model = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = (
        "{% for m in messages %}{% for t in (tools if m.role == 'tool' else []) %}{{ t }}{% endfor %}"
        "{% if m.role == 'system' %}{{ 1 // 0 }}{% endif %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    )
    tokenizer.save_pretrained(model)
    content = {"role": "user", "content": "the quick"}
    given = [[content], [content, {"role": "tool", "content": "fox"}], [{"role": "system", "content": "dog"}, content]]
    with Encoder(spec(str(model), template="chat"), device="cpu") as encoder:
        found = encoder.encode(given)
    with Encoder(spec(str(model), template="plain"), device="cpu") as encoder:
        plain = encoder.encode(given)
    assert found.stats.fallbacks == 2
    np.testing.assert_array_equal(found.n_tokens[1:], plain.n_tokens[1:])


def test_the_last_layer_is_taken_after_the_final_norm_and_the_others_before(tiny_model):
    plain, scaled = (encode(tiny_model("llama", scale_final_norm=s), TEXTS) for s in (1.0, 3.7))
    np.testing.assert_allclose(scaled.layers[BLOCKS], 3.7 * plain.layers[BLOCKS], rtol=1e-5)
    for layer in range(BLOCKS):
        np.testing.assert_array_equal(scaled.layers[layer], plain.layers[layer])


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_a_subset_of_layers_is_the_same_as_in_all_of_them(kind, tiny_model):
    model = tiny_model(kind)
    every = encode(model, TEXTS).layers
    some = encode(model, TEXTS, layers=[-2, 0]).layers
    assert list(some) == [0, BLOCKS - 1]
    for layer, vectors in some.items():
        np.testing.assert_array_equal(vectors, every[layer])


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_blocks_after_the_last_wanted_layer_do_not_run(kind, tiny_model, monkeypatch):
    monkeypatch.setattr(PackedBertEngine, "supports", staticmethod(lambda model: False))
    with Encoder(spec(tiny_model(kind), layers=[1]), device="cpu") as encoder:
        ran = []
        for index, block in enumerate(find_blocks(encoder._model)):
            block.register_forward_hook(lambda *_, index=index: ran.append(index))
        encoder.encode(rows(["the fox"]))
    assert ran == [0]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-3)])
@pytest.mark.parametrize("kind", ["bert", "distilbert", "llama"])
def test_the_neighbours_in_a_batch_change_a_row_by_rounding_only(kind, precision, tolerance, tiny_model):
    texts = [text * (1 + i % 3) for i, text in enumerate(TEXTS * 3)]
    with Encoder(spec(tiny_model(kind), precision=precision), device="cpu") as encoder:
        together = encoder.encode(rows(texts))
        alone = [encoder.encode(rows([text])) for text in texts]
    for layer, vectors in together.layers.items():
        single = np.concatenate([row.layers[layer] for row in alone])
        assert cosines(vectors, single).min() > 1 - tolerance


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_the_same_rows_give_the_same_bits_whatever_the_number_of_threads(kind, tiny_model, one_thread):
    texts = [text * (1 + i % 5) for i, text in enumerate(TEXTS * 4)]
    runs = []
    for threads in (1, 1, 4):
        with Encoder(spec(tiny_model(kind), precision="bfloat16"), device="cpu", token_budget=64) as encoder:
            torch.set_num_threads(threads)
            runs.append(encoder.encode(rows(texts)))
            assert torch.get_num_threads() == threads, "the setting of the caller is restored"
            torch.set_num_threads(1)
    for other in runs[1:]:
        for layer, vectors in runs[0].layers.items():
            np.testing.assert_array_equal(vectors, other.layers[layer])


def test_vectors_come_back_in_the_order_of_the_input(tiny_model):
    texts = [text * (1 + i % 4) for i, text in enumerate(TEXTS * 2)]
    with Encoder(spec(tiny_model("llama"), layers="last"), device="cpu", token_budget=40) as encoder:
        straight, reverse = encoder.encode(rows(texts)), encoder.encode(rows(texts[::-1]))
    np.testing.assert_allclose(straight.layers[BLOCKS], reverse.layers[BLOCKS][::-1], atol=2e-5)
    np.testing.assert_array_equal(straight.n_tokens, reverse.n_tokens[::-1])


def test_a_row_over_the_limit_is_cut_and_says_so(tiny_model):
    model = tiny_model("bert")
    encoded = encode(model, ["the fox", "lazy dog " * 40], max_tokens=16)
    assert encoded.truncated.tolist() == [False, True]
    assert encoded.n_tokens.tolist() == [encoded.n_tokens[0], 16]
    assert encoded.stats.truncated_share == 0.5


def test_a_huge_row_is_cut_before_it_is_tokenised(tiny_model):
    encoded = encode(tiny_model("bert"), ["lazy dog " * 400_000], max_tokens=16)
    assert encoded.truncated.tolist() == [True]
    assert encoded.n_tokens.tolist() == [16]


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_rows_without_content_are_zero_and_do_not_disturb_the_others(kind, tiny_model):
    encoded = encode(tiny_model(kind), ["", "the fox", " \n\t"])
    for vectors in encoded.layers.values():
        assert not vectors[[0, 2]].any()
        assert vectors[1].any()
    assert encoded.n_tokens[[0, 2]].tolist() == [0, 0]
    assert encoded.truncated.tolist() == [False, False, False]


def test_no_rows_at_all_give_empty_arrays(tiny_model):
    encoded = encode(tiny_model("bert"), [])
    assert encoded.layers[BLOCKS].shape == (0, HIDDEN)
    assert encoded.stats.truncated_share == encoded.stats.padding_share == 0


def test_hostile_text_is_encoded(tiny_model):
    encoded = encode(tiny_model("bert"), ["a\ud800b", "\x00\x01", "\u202e<script>", "[PAD][CLS]</s>"])
    assert all(np.isfinite(vectors).all() for vectors in encoded.layers.values())


def test_a_decoder_without_a_padding_token_encodes_rows_of_different_length(tiny_model):
    from transformers import AutoTokenizer

    assert AutoTokenizer.from_pretrained(tiny_model("gpt2")).pad_token is None
    assert encode(tiny_model("gpt2"), TEXTS).stats.padding_share > 0


@pytest.mark.parametrize(("kind", "seen"), [("distilbert", True), ("mpnet", True), ("llama", False), ("gpt2", False)])
def test_padding_is_masked_exactly_where_a_row_would_see_it(kind, seen, tiny_model):
    with Encoder(spec(tiny_model(kind)), device="cpu") as encoder:
        assert encoder._engine._masks is seen


def test_the_chat_template_of_the_tokenizer_is_used_and_tokenised_without_extra_special_tokens(tiny_model):
    model = tiny_model("llama", chat=True)
    chat = [{"role": "user", "content": "two"}, {"role": "assistant", "content": "seven"}]
    with Encoder(spec(model), device="cpu") as encoder:
        assert encoder.template == "chat"
        encoded = encoder.encode([chat])
    np.testing.assert_allclose(
        encoded.layers[BLOCKS],
        expected(model, ["<user>two</s><assistant>seven</s>"], "weighted_mean")[-1],
        atol=2e-5,
    )


def test_a_conversation_that_the_chat_template_refuses_is_read_as_plain_text_and_counted(tiny_model):
    model = tiny_model("llama", chat=True)
    chat = [{"role": "tool", "content": "two"}, {"role": "assistant", "content": "seven"}]
    with Encoder(spec(model), device="cpu") as encoder:
        encoded = encoder.encode([chat])
    assert encoded.stats.fallbacks == 1
    np.testing.assert_allclose(
        encoded.layers[BLOCKS], expected(model, ["two\n\nseven"], "weighted_mean")[-1], atol=2e-5
    )


def test_the_template_of_the_file_wins_over_that_of_the_tokenizer(tiny_model):
    model = tiny_model("llama", chat=True)
    chat = [{"role": "user", "content": "two"}, {"role": "assistant", "content": "seven"}]
    texts = {"plain": "two\n\nseven", "tulu": "<|user|>\ntwo\n<|assistant|>\nseven</s>"}
    for template, text in texts.items():
        with Encoder(spec(model, template=template), device="cpu") as encoder:
            vectors = encoder.encode([chat]).layers[BLOCKS]
        np.testing.assert_allclose(vectors, expected(model, [text], "weighted_mean")[-1], atol=2e-5)


def test_a_chat_template_that_is_asked_for_must_exist(tiny_model):
    with pytest.raises(ValueError, match="no chat template"):
        Encoder(spec(tiny_model("bert"), template="chat"), device="cpu")


def test_no_language_model_head_is_computed(tiny_model):
    with Encoder(spec(tiny_model("llama")), device="cpu") as encoder:
        widths = set()
        for module in encoder._model.modules():
            module.register_forward_hook(
                lambda _module, _inputs, output: widths.add(output.shape[-1]) if torch.is_tensor(output) else None
            )
        encoder.encode(rows(TEXTS))
    assert HIDDEN in widths
    assert VOCABULARY not in widths


def test_hidden_states_are_gone_once_they_are_pooled(tiny_model, monkeypatch):
    seen: list[weakref.ref[torch.Tensor]] = []
    alive = []
    pool = forward_hooks.pool

    def watching(hidden, weights, *, padded):
        alive.append(sum(reference() is not None for reference in seen))
        seen.append(weakref.ref(hidden))
        return pool(hidden, weights, padded=padded)

    with Encoder(spec(tiny_model("llama")), device="cpu") as encoder:
        monkeypatch.setattr(forward_hooks, "pool", watching)
        encoder.encode(rows(TEXTS))
    assert len(alive) == BLOCKS + 1
    assert max(alive) <= 1, "at most the input of the running block"


def test_identical_rows_run_once_and_all_get_the_vector(tiny_model):
    with Encoder(spec(tiny_model("bert")), device="cpu") as encoder:
        encoded = encoder.encode(rows(["the fox", "lazy dog", "the fox", "the fox"]))
    assert (encoded.stats.rows, encoded.stats.rows_run) == (4, 2)
    for vectors in encoded.layers.values():
        np.testing.assert_array_equal(vectors[[2, 3]], vectors[[0, 0]])
    assert (encoded.n_tokens[[2, 3]] == encoded.n_tokens[0]).all()


def test_progress_ends_with_every_row_and_never_goes_back(tiny_model):
    calls = []
    texts = [*TEXTS, "", TEXTS[0]]
    with Encoder(spec(tiny_model("bert")), device="cpu", token_budget=16) as encoder:
        encoded = encoder.encode(rows(texts), progress=lambda *done: calls.append(done))
    assert len(calls) > 1
    assert calls == sorted(calls)
    assert calls[-1] == (len(texts), encoded.stats.tokens)


def test_a_stream_gives_what_one_call_gives_block_by_block(tiny_model):
    calls = []
    with Encoder(spec(tiny_model("llama")), device="cpu") as encoder:
        whole = encoder.encode(rows(TEXTS))
        stream = encoder.stream(iter(rows(TEXTS)), block_rows=4, progress=lambda *done: calls.append(done))
        blocks = list(stream)
    assert [len(block.n_tokens) for block in blocks] == [4, 2]
    assert calls[-1] == (len(TEXTS), whole.stats.tokens)
    total = blocks[0].stats + blocks[1].stats
    assert (total.rows, total.tokens) == (whole.stats.rows, whole.stats.tokens)
    for layer, vectors in whole.layers.items():
        np.testing.assert_allclose(vectors, np.concatenate([b.layers[layer] for b in blocks]), atol=2e-5)


def test_half_precision_output_is_the_rounded_float32(tiny_model):
    with Encoder(spec(tiny_model("bert")), device="cpu") as encoder:
        full, half = encoder.encode(rows(TEXTS)), encoder.encode(rows(TEXTS), dtype=np.float16)
    for layer, vectors in half.layers.items():
        assert vectors.dtype == np.float16
        np.testing.assert_array_equal(vectors, full.layers[layer].astype(np.float16))


def test_a_vector_beyond_float16_is_an_error_and_not_an_infinity(tiny_model):
    with Encoder(spec(tiny_model("llama", scale_final_norm=1e6)), device="cpu") as encoder:
        assert np.isfinite(encoder.encode(rows(TEXTS)).layers[BLOCKS]).all()
        with pytest.raises(OverflowError, match=f"layer {BLOCKS} .*store it as float32"):
            encoder.encode(rows(TEXTS), dtype=np.float16)


def test_a_model_that_returns_nan_is_an_error(tiny_model):
    with Encoder(spec(tiny_model("llama")), device="cpu") as encoder:
        encoder._model.norm.weight.data[0] = float("nan")
        with pytest.raises(FloatingPointError, match=f"layer {BLOCKS}"):
            encoder.encode(rows(TEXTS))


class SmallDevice:
    """An engine that is out of memory for batches over ``limit`` tokens."""

    def __init__(self, engine: HookedEngine, limit: int) -> None:
        self.engine, self.limit, self.failures = engine, limit, 0
        self.name, self.plan, self.cost = engine.name, plan_padded, engine.cost

    def run(self, batch: list[np.ndarray]) -> list[np.ndarray]:
        if self.cost(np.array([len(row) for row in batch])) > self.limit:
            self.failures += 1
            raise torch.OutOfMemoryError("out of memory")
        return self.engine.run(batch)


@pytest.fixture
def device_of(tiny_model, monkeypatch):
    """``device_of(limit)`` -> an encoder that takes the GPU's way of running batches, on a device of that size."""

    def make(limit: int) -> Encoder:
        encoder = Encoder(spec(tiny_model("llama")), device="cpu", token_budget=10_000)
        encoder._engine = SmallDevice(encoder._engine, limit)
        monkeypatch.setattr(encoder, "_run", encoder._run_shrinking)
        return encoder

    return make


def test_out_of_memory_halves_the_budget_and_goes_on(device_of, tiny_model):
    encoder = device_of(40)
    encoded = encoder.encode(rows(TEXTS))
    assert encoder._engine.failures >= 1
    reference = encode(tiny_model("llama"), TEXTS)
    for layer, vectors in encoded.layers.items():
        np.testing.assert_allclose(vectors, reference.layers[layer], atol=2e-5)


def test_a_single_row_that_does_not_fit_is_a_clear_error(device_of):
    with pytest.raises(DeviceMemoryError, match=r"one row of \d+ tokens does not fit on cpu.*lower max_tokens"):
        device_of(2).encode(rows(TEXTS))


def test_more_tokens_than_the_model_has_positions_are_refused(tiny_model):
    with pytest.raises(ValueError, match="more than the 64 positions"):
        Encoder(spec(tiny_model("bert"), max_tokens=65), device="cpu")
    # The table has 65 rows, of which the padding index takes the first.
    with pytest.raises(ValueError, match="more than the 64 positions"):
        Encoder(spec(tiny_model("roberta"), max_tokens=65), device="cpu")
    assert encode(tiny_model("roberta"), ["lazy dog " * 40], max_tokens=64).n_tokens.tolist() == [64]


def test_a_limit_that_holds_special_tokens_only_is_refused(tiny_model):
    with pytest.raises(ValueError, match="adds 2 special tokens"):
        Encoder(spec(tiny_model("bert"), max_tokens=2), device="cpu")


def test_a_layer_that_does_not_exist_is_refused(tiny_model):
    with pytest.raises(ValueError, match=r"layers \[9\] do not exist"):
        Encoder(spec(tiny_model("bert"), layers=[9]), device="cpu")


def test_a_model_with_shared_layers_is_refused(tmp_path, tiny_model):
    import transformers

    config = transformers.AlbertConfig(
        vocab_size=VOCABULARY,
        embedding_size=8,
        hidden_size=HIDDEN,
        num_attention_heads=4,
        intermediate_size=64,
        num_hidden_layers=3,
    )
    transformers.AlbertModel(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(tiny_model("bert")).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="no list of its 3 blocks"):
        Encoder(spec(str(tmp_path)), device="cpu")


def test_a_model_that_reports_other_layers_than_its_blocks_receive_is_refused(tiny_model, monkeypatch):
    monkeypatch.setattr(forward_hooks, "find_blocks", lambda model: list(find_blocks(model))[::-1])
    with pytest.raises(UnsupportedModelError, match="differs from the model's own hidden state"):
        Encoder(spec(tiny_model("llama")), device="cpu")


def test_missing_weights_are_an_error_and_not_random_numbers(tmp_path, tiny_model):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_model("bert"), tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelIntegrityError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        Encoder(spec(str(folder)), device="cpu")


def test_a_device_that_is_not_there_is_named(tiny_model):
    for device, message in (("cuda:99", "torch sees"), ("abacus", "unknown"), ("meta", "not supported")):
        with pytest.raises(ValueError, match=message):
            Encoder(spec(tiny_model("bert")), device=device)


def test_the_model_is_freed_on_close(tiny_model):
    encoder = Encoder(spec(tiny_model("llama")), device="cpu")
    model = weakref.ref(encoder._model)
    encoder.close()
    assert model() is None


def test_the_bundled_model_agrees_with_its_reference_implementation():
    """Mean of the last layer of MiniLM, against transformers in float32 and against its sentence vectors' meaning."""
    texts = [
        "How many apples are left when two of seven are eaten?",
        "Seven apples minus two apples: how many remain?",
        "The stock market fell sharply on Monday.",
    ]
    model = DEFAULT_MODEL
    with Encoder(EncoderSpec(model=model, pooling="mean", layers="last"), device="cpu") as encoder:
        computed = can_pack(pick_dtype("auto", torch.device("cpu")), torch.device("cpu"))
        assert encoder.engine == ("packed" if computed else "hooked")
        assert encoder.dim == 384
        path = str(encoder.resolved.path)
        encoded = encoder.encode(rows(texts))
    vectors = encoded.layers[6]
    assert cosines(vectors, expected(path, texts, "mean")[-1]).min() > 0.9995
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > 0.7 > 0.2 > unit[0] @ unit[2]


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu(tiny_model):
    texts = [text * (1 + i % 3) for i, text in enumerate(TEXTS * 3)]
    for kind in ("bert", "llama"):
        with (
            Encoder(spec(tiny_model(kind)), device="cpu") as cpu,
            Encoder(spec(tiny_model(kind)), device="cuda") as gpu,
        ):
            ours, theirs = cpu.encode(rows(texts)), gpu.encode(rows(texts))
        assert theirs.stats.peak_memory_mb > 0
        for layer, vectors in ours.layers.items():
            assert cosines(vectors, theirs.layers[layer]).min() > 1 - 1e-4
