"""Gradients of rows against autograd, one row at a time; projections against what they promise."""

from pathlib import Path

import numpy as np
import pytest

from datasel_assets.models.curvature import LayerCurvature, divide
from datasel_assets.models.curvature_fit import fit_curvature
from datasel_assets.models.forward_hooks import UnsupportedModelError
from datasel_assets.models.gradient_projections import CountSketch, Eigenbasis, Toward, TwoSided, Whole
from datasel_assets.models.gradients import GradientModel
from datasel_assets.models.linear_hooks import squared_lengths
from datasel_assets.specs.causal import CausalSpec
from datasel_assets_tests.models.test_causal_lm import talk, tiny_causal

torch = pytest.importorskip("torch")

ROWS = [
    talk("how many apples are left", "two of seven"),
    talk("the quick brown fox", "jumps over the lazy dog"),
    talk("x", "y", "how many", "two"),
    talk("def add(a, b):", "return a + b"),
    talk("yes", "no"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A Llama of two blocks whose four heads share two keys and values."""
    return tiny_causal("llama", tmp_path_factory.mktemp("gradients"))


def opened(folder: str, **options) -> GradientModel:
    spec = {"max_tokens": 48, "template": "plain"} | options.pop("spec", {})
    return GradientModel(CausalSpec(model=folder, **spec), "cpu", **options)


def whole(model: GradientModel, rows=ROWS):
    return model.read(rows, Whole(model.shapes))


def naive(model: GradientModel, row) -> np.ndarray:
    """The gradient of one row by autograd on the model of transformers itself."""
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(model.spec.model, dtype=torch.float32).eval()
    passes, tokens, _ = model._passes([row])
    for each in passes[0]:
        ids = torch.from_numpy(each.ids.astype(np.int64))[None]
        logp = reference(input_ids=ids).logits[0].log_softmax(-1)
        loss = -logp[each.positions - 1, each.targets].sum()
        (loss if model.loss == "response_sum" else loss / int(tokens[0])).backward()
    named = dict(reference.named_parameters())
    return np.concatenate([named[f"{name}.weight"].grad.numpy().ravel() for name in model.modules])


@pytest.mark.parametrize("loss", ["response_sum", "response_mean"])
def test_gradients_of_a_batch_are_those_of_autograd_row_by_row(folder: str, loss):
    model = opened(folder, loss=loss)
    found = whole(model)
    assert len(model.modules) == 2 * 7
    assert {shape[0] for name, shape in zip(model.modules, model.shapes, strict=True) if "k_proj" in name} == {16}
    for row, gradient, norm in zip(ROWS, found.values, found.norm, strict=True):
        expected = naive(model, row)
        assert np.linalg.norm(gradient - expected) <= 1e-5 * np.linalg.norm(expected)
        assert norm == pytest.approx(np.linalg.norm(expected), rel=1e-5)


def test_a_row_whose_turns_need_several_texts_has_the_sum_of_their_gradients(folder: str):
    model = opened(folder, spec={"max_tokens": 24})
    row = talk("how many apples", "two of seven are eaten", "and how many are left of them", "the lazy dog jumps over")
    passes, _, _ = model._passes([row])
    assert len(passes[0]) > 1
    found = whole(model, [ROWS[4], row])
    expected = naive(model, row)
    assert np.linalg.norm(found.values[1] - expected) <= 1e-5 * np.linalg.norm(expected)
    assert found.norm[1] == pytest.approx(np.linalg.norm(expected), rel=1e-5)


def test_answers_of_one_token_to_one_prompt_have_gradients_of_their_own(folder: str):
    model = opened(folder)
    rows = [talk("how many", "x"), talk("how many", "y")]
    found = whole(model, rows)
    for row, gradient in zip(rows, found.values, strict=True):
        np.testing.assert_allclose(gradient, naive(model, row), rtol=1e-4, atol=1e-6)
    assert not np.allclose(*found.values)


def test_a_gradient_does_not_depend_on_the_rows_beside_it(folder: str):
    model = opened(folder)
    together, alone = whole(model).values, opened(folder, token_budget=1)
    np.testing.assert_allclose(together, whole(alone).values, rtol=1e-4, atol=1e-5)


def test_a_row_without_a_response_token_has_no_gradient(folder: str):
    model = opened(folder)
    found = whole(model, [talk("how many", ""), ROWS[0]])
    assert found.tokens[0] == found.norm[0] == 0
    assert not found.values[0].any()
    assert found.norm[1] > 0


def test_the_mean_loss_is_the_sum_over_the_tokens(folder: str):
    summed, mean = whole(opened(folder)), whole(opened(folder, loss="response_mean"))
    np.testing.assert_allclose(mean.norm * mean.tokens, summed.norm, rtol=1e-5)


def test_a_step_against_the_gradient_lowers_the_loss_by_its_squared_length(folder: str):
    """The sign, by finite differences: l(w - e g) = l(w) - e |g|^2."""
    model, step = opened(folder), 1e-5
    found = whole(model, ROWS[:1])
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).double().eval()
    (one,) = model._passes(ROWS[:1])[0][0]

    def loss() -> float:
        with torch.no_grad():
            logp = reference(input_ids=torch.from_numpy(one.ids.astype(np.int64))[None]).logits[0].log_softmax(-1)
        return float(-logp[one.positions - 1, one.targets].sum())

    before, start, named = loss(), 0, dict(reference.named_parameters())
    for name, (o, i) in zip(model.modules, model.shapes, strict=True):
        part = found.values[0, start : start + o * i].reshape(o, i)
        named[f"{name}.weight"].data -= step * torch.from_numpy(part).double()
        start += o * i
    assert (before - loss()) / step == pytest.approx(found.norm[0] ** 2, rel=0.02)


def test_a_model_without_linear_layers_is_refused(tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match="no linear layers in its blocks"):
        opened(tiny_causal("gpt2", tmp_path))


def test_weights_that_embeddings_and_head_share_have_no_part(tmp_path: Path):
    """Tied weights get gradients from both ends; neither end is a layer of a block, on either side of a comparison."""
    model = opened(tiny_causal("llama", tmp_path, tie_word_embeddings=True))
    assert not [name for name in model.modules if "embed" in name or "lm_head" in name]
    found = whole(model, ROWS[:2])
    for row, gradient in zip(ROWS, found.values, strict=False):
        expected = naive(model, row)
        assert np.linalg.norm(gradient - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_agrees_with_the_cpu(folder: str):
    spec = CausalSpec(model=folder, max_tokens=48, template="plain", precision="float32")
    with GradientModel(spec, "cpu") as cpu, GradientModel(spec, "cuda") as gpu:
        ours, theirs = whole(cpu), whole(gpu)
    np.testing.assert_allclose(theirs.norm, ours.norm, rtol=1e-3)
    assert np.linalg.norm(theirs.values - ours.values) < 1e-3 * np.linalg.norm(ours.values)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_curvature_influence_and_what_is_kept_agree_on_a_gpu_with_the_cpu(folder: str):
    spec = CausalSpec(model=folder, max_tokens=48, template="plain", precision="float32")
    influence, squares, kept = [], [], []
    with GradientModel(spec, "cpu") as model:
        layers, rows = fit_curvature(model, ROWS)
    for device in ("cpu", "cuda"):
        with GradientModel(spec, device) as model:
            own, used = fit_curvature(model, ROWS)
            directions = divide(own, whole(model, ROWS[:2]).values, 0.1).astype(np.float32)
            influence.append(model.read(ROWS, Toward(directions, model.shapes, model.device)).values)
            squares.append(np.array([layer.eigenvalues.sum() for layer in own]))
            projections = (
                # Axes of one curvature on both, since those of equal eigenvalues are any.
                Eigenbasis(layers, 64, model.device),
                TwoSided(model.shapes, 126, 0, model.device),
                CountSketch(model.shapes, 64, 0, model.device),
            )
            kept.append(np.concatenate([model.read(ROWS, each).values for each in projections], axis=1))
        assert used == rows
    np.testing.assert_allclose(squares[1], squares[0], rtol=1e-3)
    np.testing.assert_allclose(influence[1], influence[0], atol=1e-2 * np.abs(influence[0]).max())
    np.testing.assert_allclose(kept[1], kept[0], atol=1e-3 * np.abs(kept[0]).max())


# ---------------------------------------------------------------------------------------------------- projections
def identity_curvature(shapes) -> list[LayerCurvature]:
    """Axes of the weights themselves; eigenvalues fall with the place."""
    ends = np.cumsum([o * i for o, i in shapes])
    return [
        LayerCurvature(np.eye(o), np.eye(i), -np.arange(end - o * i, end, dtype=np.float64).reshape(o, i))
        for (o, i), end in zip(shapes, ends, strict=True)
    ]


def test_inner_products_with_given_vectors_are_exact(folder: str):
    model = opened(folder)
    exact = whole(model)
    vectors = np.random.default_rng(0).standard_normal((3, exact.values.shape[1])).astype(np.float32)
    found = model.read(ROWS, Toward(vectors, model.shapes))
    np.testing.assert_allclose(found.values, exact.values @ vectors.T, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.norm, exact.norm, rtol=1e-6)


def test_all_coordinates_of_an_eigenbasis_keep_every_inner_product_and_few_are_the_first(folder: str):
    model = opened(folder)
    exact = whole(model).values
    generator = np.random.default_rng(1)
    layers = []
    for o, i in model.shapes:
        (a, _), (b, _) = (np.linalg.qr(generator.standard_normal((d, d))) for d in (o, i))
        layers.append(LayerCurvature(a, b, generator.random((o, i))))
    every = model.read(ROWS, Eigenbasis(layers, 10**9)).values
    np.testing.assert_allclose(every @ every.T, exact @ exact.T, rtol=1e-3)
    few = model.read(ROWS, Eigenbasis(identity_curvature(model.shapes), 100))
    np.testing.assert_allclose(few.values, exact[:, :100], rtol=1e-5)


def test_sketches_keep_squared_lengths_in_the_mean_over_seeds():
    shapes = [(6, 5), (4, 7)]
    gradients = [
        torch.from_numpy(np.random.default_rng(k).standard_normal((1, *s)).astype(np.float32))
        for k, s in enumerate(shapes)
    ]
    squared = float(sum((g**2).sum() for g in gradients))

    def mean(make) -> tuple[float, float]:
        found = []
        for seed in range(400):
            sketch = make(seed)
            out = torch.zeros((1, sketch.width))
            for k, gradient in enumerate(gradients):
                sketch.add(k, gradient, out)
            found.append(float((out**2).sum()))
        return float(np.mean(found)), float(np.std(found) / 20)

    for make in (lambda s: TwoSided(shapes, 18, s), lambda s: CountSketch(shapes, 16, s)):
        average, error = mean(make)
        assert abs(average - squared) < 4 * error


def test_a_wider_sketch_keeps_cosines_better(folder: str):
    """QUAD-5: correlation of projected with exact cosines, the mean over seeds, grows with the numbers kept."""
    model = opened(folder)
    words, numbers = ("the", "quick", "fox", "x", "y"), ("two", "seven", "many", "how")
    rows = [talk(f"how many {word} are left", f"{number} of {word}") for word in words for number in numbers]
    upper = np.triu_indices(len(rows), 1)

    def cosines(values: np.ndarray) -> np.ndarray:
        unit = values / np.linalg.norm(values, axis=1, keepdims=True)
        return (unit @ unit.T)[upper]

    exact = cosines(whole(model, rows).values)
    for make in (CountSketch, TwoSided):
        agreement = []
        for numbers_kept in (14, 126, 1134):
            sketches = [make(model.shapes, numbers_kept, seed) for seed in range(4)]
            kept = [cosines(model.read(rows, sketch).values) for sketch in sketches]
            agreement.append(np.mean([np.corrcoef(one, exact)[0, 1] for one in kept]))
        assert agreement == sorted(agreement)
        assert agreement[-1] > 0.8


def test_two_sided_signs_need_a_number_for_each_layer():
    with pytest.raises(ValueError, match="too few for 2 layers"):
        TwoSided([(3, 3), (3, 3)], 1, 0)
    assert TwoSided([(3, 3), (3, 3)], 35, 0).width == 2 * 4**2


def test_a_sketch_is_drawn_from_its_seed_alone():
    one, other, same = (torch.stack([part.float() for part in CountSketch([(4, 4)], 5, k)._of[0]]) for k in (0, 1, 0))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert set(one[1].tolist()) == {-1, 1}


def test_a_projection_that_is_told_tokens_keeps_what_it_keeps_of_gradients():
    """Three rows of 2 tokens with padding, and lengths by inner products of tokens."""
    draw = torch.Generator().manual_seed(0)
    x, delta = torch.randn(3, 4, 6, generator=draw), torch.randn(3, 4, 5, generator=draw)
    delta[:, 2:] = 0
    gradients = torch.bmm(delta.transpose(1, 2), x)
    np.testing.assert_allclose(squared_lengths(x, delta), gradients.square().sum(dim=(1, 2)), rtol=1e-5)
    bases = [np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))[0] for d in (5, 6)]
    layer = LayerCurvature(*bases, np.random.default_rng(2).random((5, 6)))
    basis, found, expected = Eigenbasis([layer], 9), torch.zeros(3, 9), torch.zeros(3, 9)
    basis.add_tokens(0, x, delta, found)
    basis.add(0, gradients, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_of_equal_eigenvalues_the_earlier_coordinate_is_kept():
    layers = [LayerCurvature(np.eye(2), np.eye(2), np.array([[1.0, 3.0], [2.0, 2.0]])) for _ in range(2)]
    gradient, kept = torch.arange(1.0, 5.0).reshape(1, 2, 2), torch.zeros(1, 3)
    for number in range(2):
        Eigenbasis(layers, 3).add(number, gradient * 10**number, kept)
    # 3 of each layer, and the first 2 of the first.
    assert kept.tolist() == [[2, 3, 20]]
