"""What Adam remembers, by the names of parameters, and its step on a gradient, against the optimiser itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from datasel_assets.models.adam import Adam, moments_of, read_adam
from datasel_assets.models.gradient_projections import Whole
from datasel_assets_tests.models.test_causal_lm import tiny_causal
from datasel_assets_tests.models.test_gradients import ROWS, opened

torch = pytest.importorskip("torch")

BETAS = (0.8, 0.9)


def trained(steps: int, epsilon: float = 1e-30):
    """Two layers and a norm whose parameters stand in groups of another order, after some steps of Adam."""
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 2), "norm": torch.nn.LayerNorm(2), "b": torch.nn.Linear(2, 4)})
    vectors = [p for p in model.parameters() if p.ndim < 2]
    matrices = [p for p in model.parameters() if p.ndim == 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices}, {"params": vectors}], lr=0.1, betas=BETAS, eps=epsilon, weight_decay=0
    )
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return model, optimizer


def kept(model, optimizer, folder: Path) -> Path:
    from safetensors.torch import save_file

    tensors, said = moments_of(model, optimizer)
    save_file(tensors, folder / "adam.safetensors", said)
    return folder / "adam.safetensors"


def test_moments_are_kept_by_the_names_of_the_parameters():
    model, optimizer = trained(3)
    tensors, said = moments_of(model, optimizer)
    assert set(tensors) == {f"{name}.{which}" for name, _ in model.named_parameters() for which in ("first", "second")}
    for name, parameter in model.named_parameters():
        assert torch.equal(tensors[f"{name}.first"], optimizer.state[parameter]["exp_avg"])
        assert torch.equal(tensors[f"{name}.second"], optimizer.state[parameter]["exp_avg_sq"])
    assert json.loads(said["adam"]) == {"betas": [0.8, 0.9], "epsilon": 1e-30}


def test_a_step_points_where_the_optimiser_goes(tmp_path: Path):
    """AdamW without decay moves by a multiple of the step: the correction of the bias is one factor for all."""
    model, optimizer = trained(4)
    adam = read_adam(kept(model, optimizer, tmp_path), ["a", "b"])
    gradients = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.grad = gradients[name].clone()
    optimizer.step()
    ratios = []
    for module, name in enumerate(("a.weight", "b.weight")):
        moved = before[name] - dict(model.named_parameters())[name].detach()
        ratios.append((moved / adam.step(module, gradients[name][None])[0]).flatten())
    together = torch.cat(ratios)
    assert together.min() > 0
    assert float(together.max() / together.min()) == pytest.approx(1, abs=1e-4)


def test_a_step_is_written_out_as_less_computes_it():
    adam = Adam((torch.tensor([[2.0]]),), (torch.tensor([[9.0]]),), (0.5, 0.75), 0.25)
    found = adam.step(0, torch.tensor([[[4.0]]]))
    assert float(found) == pytest.approx((0.5 * 2 + 0.5 * 4) / np.sqrt(0.75 * 9 + 0.25 * 16 + 0.25))


def test_the_linear_part_divides_by_the_root_of_the_second_moments():
    adam = Adam((torch.zeros(1, 2),), (torch.tensor([[3.0, 8.0]]),), (0.9, 0.9), 1.0)
    np.testing.assert_allclose(adam.divide(np.array([[4.0, 6.0]])), [[2.0, 2.0]])
    with pytest.raises(ValueError, match="two models"):
        adam.divide(np.ones((1, 3)))


def test_moments_of_another_model_and_absent_ones_are_refused(tmp_path: Path):
    file = kept(*trained(1), tmp_path)
    with pytest.raises(ValueError, match="no moments of the layer other"):
        read_adam(file, ["a", "other"])
    with pytest.raises(FileNotFoundError, match="kept no moments of Adam"):
        read_adam(tmp_path / "none.safetensors", ["a"])


def test_gradients_of_rows_are_turned_into_steps_before_anything_is_left_out(tmp_path: Path):
    from safetensors.torch import save_file

    folder = tiny_causal("llama", tmp_path / "model")
    plain = opened(folder)
    torch.manual_seed(1)
    tensors = {}
    for name, shape in zip(plain.modules, plain.shapes, strict=True):
        tensors[f"{name}.weight.first"] = torch.randn(shape)
        tensors[f"{name}.weight.second"] = torch.rand(shape)
    save_file(tensors, tmp_path / "adam.safetensors", {"adam": json.dumps({"betas": [0.9, 0.95], "epsilon": 1e-8})})
    model = opened(folder, moments=tmp_path / "adam.safetensors")
    gradients = plain.read(ROWS, Whole(plain.shapes)).values
    first, second = (
        np.concatenate([tensors[f"{name}.weight.{which}"].numpy().ravel() for name in plain.modules])
        for which in ("first", "second")
    )
    expected = (0.9 * first + 0.1 * gradients) / np.sqrt(0.95 * second + 0.05 * gradients**2 + 1e-8)
    found = model.read(ROWS, Whole(model.shapes), steps=True)
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.norm, np.linalg.norm(expected, axis=1), rtol=1e-4)
    np.testing.assert_allclose(model.read(ROWS, Whole(model.shapes)).values, gradients, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="open the model with them"):
        plain.read(ROWS, Whole(plain.shapes), steps=True)
