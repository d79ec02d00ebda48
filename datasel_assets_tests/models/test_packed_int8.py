"""int8 products of the packed engine against float32, and the loops between them against torch in float64."""

import logging

import numpy as np
import pytest

from datasel_assets.models import engine_choice
from datasel_assets.models.encoded import Encoded
from datasel_assets.models.encoder import Encoder
from datasel_assets.models.packed_int8 import cpu_has_int8
from datasel_assets.models.packed_linear import can_pack
from datasel_assets.specs.encoder import EncoderSpec

torch = pytest.importorskip("torch")
from datasel_assets.models import int8_kernels as kernels  # noqa: E402

# oneDNN may be told to use less than the CPU has: then bfloat16 has no products either, and int8 ones saturate.
needs_int8 = pytest.mark.skipif(
    not (cpu_has_int8() and can_pack(torch.bfloat16, torch.device("cpu"))),
    reason="this CPU or torch has no int8 and bfloat16 products",
)
TEXTS = [
    "Name three primary colours and say how they mix.",
    "Write a Python function that reverses a list in place.",
    "A train leaves at noon and travels 60 miles an hour; how far is it at half past two?",
    "x",
    "Translate 'good morning' into French. Bonjour.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
]


def rows(texts: list[str]) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": text}] for text in texts]


def encode(texts: list[str], precision: str, token_budget: int | None = None) -> Encoded:
    spec = EncoderSpec.model_validate({"precision": precision, "max_tokens": 64})
    with Encoder(spec, device="cpu", token_budget=token_budget) as encoder:
        return encoder.encode(rows(texts))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@needs_int8
def test_vectors_of_the_default_encoder_are_near_float32_in_every_layer():
    exact, rounded = encode(TEXTS, "float32"), encode(TEXTS, "int8")
    assert (rounded.stats.dtype, rounded.stats.engine) == ("int8", "packed")
    for layer, vectors in exact.layers.items():
        found = cosines(rounded.layers[layer], vectors)
        assert found.mean() > 0.998
        assert found.min() > 0.995


@needs_int8
def test_the_neighbours_in_a_batch_change_a_row_by_less_than_bfloat16_may():
    together = encode(TEXTS, "int8")
    with Encoder(EncoderSpec.model_validate({"precision": "int8", "max_tokens": 64}), device="cpu") as encoder:
        alone = [encoder.encode(rows([text])) for text in TEXTS]
    for layer, vectors in together.layers.items():
        assert cosines(vectors, np.concatenate([row.layers[layer] for row in alone])).min() > 1 - 2e-3


@needs_int8
def test_the_same_rows_give_the_same_bits_again():
    one, two = (encode(TEXTS * 3, "int8", token_budget=64) for _ in range(2))
    for layer, vectors in one.layers.items():
        np.testing.assert_array_equal(vectors, two.layers[layer])


@pytest.mark.parametrize(("kind", "products"), [("bert", False), ("llama", False), ("llama", True)])
def test_where_int8_does_not_apply_the_model_runs_as_auto_and_says_so_once(
    kind, products, tiny_model, monkeypatch, caplog
):
    monkeypatch.setattr(engine_choice, "cpu_has_int8", lambda: products)
    model = tiny_model(kind)
    vectors = {}
    for precision in ("int8", "auto"):
        with Encoder(EncoderSpec(model=model, max_tokens=48, precision=precision), device="cpu") as encoder:
            vectors[precision] = encoder.encode(rows(["the quick brown fox"]))
    assert vectors["int8"].stats.dtype == vectors["auto"].stats.dtype
    for layer, expected in vectors["auto"].layers.items():
        np.testing.assert_array_equal(vectors["int8"].layers[layer], expected)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in warnings if "int8 is not used" in text]) == 1


def test_gelu_is_rounded_by_at_most_half_a_step():
    rng = np.random.default_rng(0)
    sums = rng.integers(-9000, 9000, (40, 96)).astype(np.int32)
    row, column = rng.uniform(1e-4, 1e-3, 40).astype(np.float32), rng.uniform(0.5, 2, 96).astype(np.float32)
    bias = rng.normal(size=96).astype(np.float32)
    out, scales = np.empty((40, 96), np.int8), np.empty(40, np.float32)
    kernels.gelu_quantise(sums, row, column, bias, out, scales)
    expected = torch.nn.functional.gelu(torch.from_numpy(sums * row[:, None].astype(float) * column + bias)).numpy()
    found = (out.astype(float) + 128) * scales[:, None] - float(kernels.GELU_LOW)
    assert (np.abs(found - expected) <= 0.5 * scales[:, None] + 1e-3).all()


def test_softmax_is_that_of_torch_to_bfloat16_rounding():
    scores = (torch.randn(50, 77, generator=torch.Generator().manual_seed(0)) * 6).bfloat16()
    expected = torch.softmax(scores.double(), -1).numpy()
    kernels.softmax(scores.view(torch.uint16).numpy())
    np.testing.assert_allclose(scores.double().numpy(), expected, rtol=2**-8, atol=1e-9)


def test_a_row_of_zeros_stays_zero_and_a_row_with_nan_is_not_hidden():
    x = np.zeros((2, 8), np.float32)
    x[1, 3] = np.nan
    out, scales = np.empty((2, 8), np.int8), np.empty(2, np.float32)
    kernels.quantise(x, np.ones(8, np.float32), np.zeros(8, np.float32), out, scales)
    assert scales[0] == 0
    assert not out[0].any()
    assert np.isnan(scales[1])
