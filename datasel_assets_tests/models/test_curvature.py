"""EK-FAC against dense matrices: what it divides by, and where it is exact."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from datasel_assets.models.curvature import LayerCurvature, divide, eigenvectors, from_arrays, to_arrays
from datasel_assets.models.curvature_fit import fit_curvature, second_moments, squares_along
from datasel_assets.models.gradient_projections import Whole
from datasel_assets_tests.models.test_causal_lm import talk, tiny_causal
from datasel_assets_tests.models.test_gradients import ROWS, opened

torch = pytest.importorskip("torch")

GENERATOR = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return tiny_causal("llama", tmp_path_factory.mktemp("curvature"))


def moment(d: int) -> np.ndarray:
    root = GENERATOR.standard_normal((d, 2 * d))
    return root @ root.T / (2 * d)


def kronecker(s: np.ndarray, a: np.ndarray) -> LayerCurvature:
    """K-FAC: the eigenvalues of S x A are the products of theirs."""
    (ls, qs), (la, qa) = eigenvectors(s), eigenvectors(a)
    return LayerCurvature(qs, qa, np.outer(ls, la))


def test_dividing_is_solving_with_the_dense_damped_kronecker_product():
    """QUAD-1: a layer of 6 outputs and 8 inputs. Row-major weights make it S x A."""
    s, a, gradient = moment(6), moment(8), GENERATOR.standard_normal((6, 8))
    layer = kronecker(s, a)
    dense = np.kron(s, a)
    added = 0.1 * np.trace(dense) / 48
    expected = np.linalg.solve(dense + added * np.eye(48), gradient.ravel())
    np.testing.assert_allclose(layer.divide(gradient, 0.1).ravel(), expected, rtol=1e-11)


def test_dividing_is_not_multiplying():
    """The released code of Quad divides by 1 / (lambda + damping): H g and not its inverse."""
    layer = LayerCurvature(np.eye(2), np.eye(2), np.array([[9.0, 1.0], [1.0, 1.0]]))
    found = layer.divide(np.ones((2, 2)), 1e-9)
    np.testing.assert_allclose(found, [[1 / 9, 1], [1, 1]], rtol=1e-6)


def test_leaving_a_row_out_changes_a_loss_by_what_its_influence_says():
    """Ridge regression, where the curvature is exact: corr(influence / n, loss without the row - loss) is .998."""
    draw, n, d, penalty = np.random.default_rng(3), 200, 6, 0.05
    x, at = draw.standard_normal((n, d)), draw.standard_normal((20, d))
    y, wanted = (rows @ np.arange(d) + draw.standard_normal(len(rows)) for rows in (x, at))

    def fit(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        # The loss of a row keeps its weight 1 / n when another one is left out.
        return np.linalg.solve(rows.T @ rows / n + penalty * np.eye(d), rows.T @ values / n)

    weights = fit(x, y)
    gradients, targets = (x @ weights - y)[:, None] * x, (at @ weights - wanted)[:, None] * at
    layer = kronecker(np.eye(1), x.T @ x / n)
    damping = penalty / float(layer.eigenvalues.mean())
    influence = gradients @ divide([layer], targets, damping).T
    left_out = np.array([(at @ fit(np.delete(x, i, 0), np.delete(y, i)) - wanted) ** 2 / 2 for i in range(n)])
    change = left_out - (at @ weights - wanted) ** 2 / 2
    assert np.corrcoef(influence.ravel() / n, change.ravel())[0, 1] > 0.998
    # The sign: a row that helps the target is missed.
    assert np.polyfit(influence.ravel() / n, change.ravel(), 1)[0] == pytest.approx(1, abs=0.06)


def test_a_layer_without_curvature_has_no_say():
    assert not LayerCurvature(np.eye(2), np.eye(3), np.zeros((2, 3))).divide(np.ones((2, 3)), 0.1).any()


def test_whole_gradients_are_divided_layer_by_layer():
    layers = [kronecker(moment(3), moment(2)), kronecker(moment(2), moment(4))]
    gradients = GENERATOR.standard_normal((5, 14))
    found = divide(layers, gradients, 0.1)
    np.testing.assert_allclose(found[2, :6].reshape(3, 2), layers[0].divide(gradients[2, :6].reshape(3, 2), 0.1))
    np.testing.assert_allclose(found[2, 6:].reshape(2, 4), layers[1].divide(gradients[2, 6:].reshape(2, 4), 0.1))
    with pytest.raises(ValueError, match="two models"):
        divide(layers, gradients[:, :13], 0.1)


def test_curvature_of_other_layers_is_refused():
    arrays = to_arrays(["a"], [kronecker(moment(3), moment(2))])
    with pytest.raises(ValueError, match="another one"):
        from_arrays(arrays, ["b"])
    (read,) = from_arrays(arrays, ["a"])
    assert read.eigenvalues.shape == (3, 2)


def test_eigenvectors_are_the_same_whatever_sign_a_library_chose():
    values, vectors = eigenvectors(np.diag([3.0, 1.0, 2.0]))
    np.testing.assert_allclose(values, [1, 2, 3])
    np.testing.assert_allclose(vectors, np.eye(3)[:, [1, 2, 0]])
    assert eigenvectors(-np.eye(2))[0].tolist() == [0, 0]


def test_second_moments_from_hooks_are_those_of_autograd_without_padding(folder: str):
    """QUAD-2. The rows differ in length, so a batch of all of them has padding."""
    model = opened(folder, token_budget=4096)
    outputs, inputs = second_moments(model, ROWS)
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    named = dict(reference.named_modules())
    sums, tokens, held = {}, 0, {}
    for number, name in enumerate(model.modules):

        def hook(module, args, output, number=number):
            output.retain_grad()
            held[number] = (args[0], output)

        named[name].register_forward_hook(hook)
    for (each,) in model._passes(ROWS)[0]:
        logp = reference(input_ids=torch.from_numpy(each.ids.astype(np.int64))[None]).logits[0].log_softmax(-1)
        (-logp[each.positions - 1, each.targets].sum()).backward()
        tokens += len(each.ids)
        for number, (x, y) in held.items():
            a, s = sums.get(number, (0, 0))
            x, d = x[0].detach().double().numpy(), y.grad[0].double().numpy()
            sums[number] = (a + x.T @ x, s + d.T @ d)
    for number, (a, s) in sums.items():
        np.testing.assert_allclose(inputs[number], a / tokens, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(outputs[number], s / tokens, rtol=1e-3, atol=1e-5)


def test_eigenvalues_are_the_mean_squares_of_the_rows_along_each_direction(folder: str):
    model = opened(folder)
    layers, rows = fit_curvature(model, [*ROWS, talk("nothing", "")])
    assert rows == len(ROWS)
    gradients, start = model.read(ROWS, Whole(model.shapes)).values, 0
    for layer in layers:
        own = gradients[:, start : start + layer.eigenvalues.size].reshape(-1, *layer.eigenvalues.shape)
        rotated = layer.outputs.T @ own @ layer.inputs
        np.testing.assert_allclose(
            layer.eigenvalues, (rotated**2).mean(axis=0), rtol=1e-2, atol=1e-4 * layer.eigenvalues.max()
        )
        # The basis is orthonormal: the mean squared length of the gradients stays.
        assert layer.eigenvalues.sum() == pytest.approx((own**2).sum(axis=(1, 2)).mean(), rel=1e-4)
        start += layer.eigenvalues.size


def test_eigenvalues_are_those_of_the_factors_where_inputs_and_gradients_are_independent():
    """QUAD-3: of one token a row, x and d drawn apart."""
    n, o, i = 200_000, 3, 4
    x = GENERATOR.standard_normal((n, i)) @ np.diag([1.0, 2.0, 3.0, 0.5])
    d = GENERATOR.standard_normal((n, o)) @ np.diag([1.0, 0.3, 2.0])
    (ls, qs), (la, qa) = eigenvectors(d.T @ d / n), eigenvectors(x.T @ x / n)
    squares = ((d @ qs) ** 2).T @ ((x @ qa) ** 2) / n
    np.testing.assert_allclose(squares, np.outer(ls, la), rtol=0.05)


def test_influence_is_that_of_kronfluence(folder: str, tmp_path: Path):
    """QUAD-8's opponent as an oracle: all pairs of rows and queries, to 1e-4 of the largest score."""
    pytest.importorskip("kronfluence", reason="the extra 'oracles' is not installed")
    from benchmarks.gradients import kronfluence_scores

    rows, queries = some_talks(40, 3), some_talks(5, 4)
    model = opened(folder)
    layers, _ = fit_curvature(model, rows)
    pool, wanted = (model.read(some, Whole(model.shapes)).values.astype(np.float64) for some in (rows, queries))
    mine = divide(layers, wanted, 0.1) @ pool.T
    theirs = kronfluence_scores(model, rows, queries, tmp_path)
    assert theirs.shape == mine.shape == (5, 40)
    assert np.abs(theirs - mine).max() <= 1e-4 * np.abs(mine).max()


def test_curvature_of_no_response_token_is_refused(folder: str):
    with pytest.raises(ValueError, match="none of the rows has a response token"):
        fit_curvature(opened(folder), [talk("nothing", "")])


def some_talks(n: int, seed: int) -> list:
    """Conversations of few words, drawn at random."""
    words = ["the", "quick", "fox", "jumps", "how", "many", "apples", "are", "left", "two", "of", "seven", "eaten"]
    draw = np.random.default_rng(seed)
    return [
        talk(" ".join(draw.choice(words, draw.integers(2, 6))), " ".join(draw.choice(words, draw.integers(1, 6))))
        for _ in range(n)
    ]


def test_a_step_on_the_most_influential_rows_lowers_the_loss_of_the_target_more_than_on_the_least(folder: str):
    """QUAD-4, on the model itself."""
    from transformers import AutoModelForCausalLM

    model, pool, target = opened(folder), some_talks(60, 1), some_talks(6, 2)
    gradients = model.read(pool, Whole(model.shapes)).values.astype(np.float64)
    wanted = model.read(target, Whole(model.shapes)).values.astype(np.float64).mean(axis=0)
    layers, _ = fit_curvature(model, pool)
    order = np.argsort(gradients @ divide(layers, wanted[None], 0.1)[0])

    def loss_after(rows: np.ndarray) -> float:
        """The loss of the target after a step of one length against the gradient of some rows."""
        step = gradients[rows].mean(axis=0)
        step *= 1e-2 / np.linalg.norm(step)
        changed = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).double().eval()
        named, start = dict(changed.named_parameters()), 0
        with torch.no_grad():
            for name, (o, i) in zip(model.modules, model.shapes, strict=True):
                named[f"{name}.weight"] -= torch.from_numpy(step[start : start + o * i].reshape(o, i))
                start += o * i
            total = 0.0
            for (one,) in model._passes(target)[0]:
                logp = changed(input_ids=torch.from_numpy(one.ids.astype(np.int64))[None]).logits[0].log_softmax(-1)
                total -= float(logp[one.positions - 1, one.targets].sum())
        return total

    assert loss_after(order[-6:]) < loss_after(order[:6])


def test_dividing_by_curvature_ranks_rows_more_like_the_exact_inverse_than_plain_inner_products(folder: str):
    """QUAD-7, on this model: the exact damped empirical Fisher matrix is inverted through its rows (Woodbury)."""
    rows = some_talks(120, 5)
    model = opened(folder)
    gradients = model.read(rows, Whole(model.shapes)).values.astype(np.float64)
    pool, queries = gradients[:100], gradients[100:]
    layers, _ = fit_curvature(model, rows[:100])
    exact, start = np.zeros(100), 0
    mean_query = queries.mean(axis=0)
    for layer in layers:
        end = start + layer.eigenvalues.size
        own, query = pool[:, start:end], mean_query[start:end]
        added = 0.1 * (own**2).sum() / len(own) / own.shape[1]
        inner = np.linalg.solve(own @ own.T / len(own) + added * np.eye(len(own)), own @ query / len(own))
        exact += own @ ((query - own.T @ inner) / added)
        start = end
    mine = pool @ divide(layers, mean_query[None], 0.1)[0]
    plain = pool @ mean_query
    assert spearmanr(mine, exact)[0] > spearmanr(plain, exact)[0]


def test_a_wide_model_has_the_curvature_that_batches_side_by_side_give(folder: str, monkeypatch: pytest.MonkeyPatch):
    """One batch after the other into the same sums, and second moments in strips of which the last is narrower."""
    expected, rows = fit_curvature(opened(folder, token_budget=40), ROWS)
    moments = second_moments(opened(folder, token_budget=40), ROWS)
    monkeypatch.setattr("datasel_assets.models.gradients.WIDE", 1)
    monkeypatch.setattr("datasel_assets.models.curvature_fit.STRIP", 12)
    model = opened(folder, token_budget=40)
    for some, others in zip(second_moments(model, ROWS), moments, strict=True):
        for one, other in zip(some, others, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * np.abs(other).max())
            np.testing.assert_array_equal(one, one.T)
    layers, again = fit_curvature(model, ROWS)
    assert again == rows
    for layer, other in zip(layers, expected, strict=True):
        assert layer.eigenvalues.sum() == pytest.approx(other.eigenvalues.sum(), rel=1e-5)


def test_tokens_turned_before_the_gradients_are_formed_have_the_same_squares(folder: str):
    """A text of one token turns its tokens first; the same gradient as that of many tokens turns the gradient."""
    x, d = torch.randn(1, 1, 16), torch.randn(1, 1, 8)
    bases = [tuple(np.linalg.qr(GENERATOR.standard_normal((n, n)))[0].astype(np.float32) for n in (8, 16))]

    class OneLayer:
        shapes, device = ((8, 16),), torch.device("cpu")

        def total(self, tokens, begin):
            layer, sums = begin()
            padding = torch.zeros(1, tokens - 1, 1)
            layer(0, *(torch.cat([each, padding.expand(-1, -1, each.shape[2])], 1) for each in (x, d)), None, False)
            return sums, 1

    few, many = (squares_along(OneLayer(), tokens, bases)[0][0] for tokens in (1, 64))  # type: ignore[arg-type]
    np.testing.assert_allclose(few, many, rtol=1e-4, atol=1e-6)
    expected = (bases[0][0].T @ (d[0].T @ x[0]).numpy() @ bases[0][1]) ** 2
    np.testing.assert_allclose(few, expected, rtol=1e-4, atol=1e-6)
