"""Influence at several checkpoints, of Adam's steps, by the Gram matrix, toward the pool and held-out rows."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.models.gradient_projections import Whole
from datasel_assets.models.proxy_folder import checkpoint_rates, kept_checkpoints, moments_file
from datasel_assets.registry.load import load_registry
from datasel_assets.samplers import Candidates, round_robin
from datasel_assets.storage.lake import StaleTableError
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.scores.influence_targets import judges
from datasel_assets.tables.trained_models import model_folder
from datasel_assets.tables.vectors.curvature import Differentiated, open_model
from datasel_assets_tests.models.test_causal_lm import tiny_causal
from datasel_assets_tests.pools import CAUSAL, TINY, small_pool, write_yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

N = 8
FILES = {
    "tracin": {"gradients": "path", "target": "adding", "precondition": "none", "similarity": "dot"},
    "even": {
        "gradients": "path",
        "target": "adding",
        "precondition": "none",
        "checkpoint_weights": "equal",
        "reduce": "max",
    },
    "bent": {"gradients": "path", "target": "adding", "precondition": "ekfac"},
    "less": {"gradients": "steps", "target": "adding", "precondition": "none", "reduce": "max"},
    "scaled": {"gradients": "plain", "target": "adding", "precondition": "adam", "similarity": "dot"},
    "trak": {"gradients": "plain", "target": "adding", "precondition": "gram", "similarity": "dot"},
    "turns": {"gradients": "path", "target": "adding", "precondition": "none", "reduce": "round_robin"},
    "moso": {"gradients": "plain", "toward": "pool", "precondition": "none", "similarity": "dot"},
    "glister": {"gradients": "plain", "toward": "held_out", "precondition": "none", "similarity": "dot"},
}
GRADIENTS = {
    "plain": {},
    "path": {"checkpoints": "all"},
    "steps": {"optimiser": "adam", "loss": "response_mean"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A pool with a proxy that keeps two checkpoints, and a recipe for every way."""
    data = small_pool(tmp_path_factory.mktemp("ways") / "data", n=N)
    model = {"causal": CAUSAL, "proxy": {**TINY, "held_out": 0.2}, "retrain": {"drift": 0.9}, "checkpoints": 2}
    write_yaml(data / "language_models" / "tiny.yaml", model)
    for name, spec in GRADIENTS.items():
        own = {"model": "tiny", "dims": 24, "projection": "count_sketch", "curvature": {"rows": 100}}
        write_yaml(data / "gradients" / f"{name}.yaml", {**own, **spec})
    for name, spec in FILES.items():
        write_yaml(data / "scores" / f"{name}.yaml", {"how": "influence", **spec})
    write_yaml(data / "scores" / "long.yaml", {"how": "gradient_norm", "gradients": "path"})
    inputs = [{"score": f"influence.{name}", "keep": "high"} for name in FILES] + [{"score": "gradient_norm.long"}]
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": "blend.all"}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / "mine.yaml", {**recipe, "scores": {"all": {"how": "rank_mean", "inputs": inputs}}})
    make(open_warehouse(data, device="cpu"), "selections/mine", upstream=True)
    return data


@pytest.fixture
def warehouse(data: Path) -> Warehouse:
    return open_warehouse(data, device="cpu")


def scores(warehouse: Warehouse, name: str, source: str = "sums", family: str = "influence") -> np.ndarray:
    return warehouse.lake.scan((family, name, source)).sort("row_id").collect()["score"].to_numpy()


def exact(warehouse: Warehouse, name: str, rows: pl.DataFrame) -> list[np.ndarray]:
    """The whole gradients of rows, at each checkpoint of a file of gradients."""
    found = []
    for opening in Differentiated.of(warehouse, name).openings(warehouse):
        with open_model(warehouse, **opening) as model:
            found.append(model.read(rows["messages"].to_list(), Whole(model.shapes)).values.astype(np.float64))
    return found


def corpus(warehouse: Warehouse, *sources: str) -> pl.DataFrame:
    return pl.concat(warehouse.lake.scan(("corpus", s)).collect() for s in sources).sort("row_id")


def target(warehouse: Warehouse) -> pl.DataFrame:
    return warehouse.lake.scan(("targets", "adding")).sort("row_id").collect()


def unit(gradients: np.ndarray) -> np.ndarray:
    return gradients / np.linalg.norm(gradients, axis=1, keepdims=True)


def test_tracin_sums_inner_products_over_checkpoints_by_their_learning_rates(warehouse: Warehouse):
    own, aims = (exact(warehouse, "path", rows) for rows in (corpus(warehouse, "sums"), target(warehouse)))
    manifest = json.loads((model_folder(warehouse, "tiny") / "manifest.json").read_text())
    rates = np.array(checkpoint_rates(manifest, 2))
    assert rates[0] != rates[1]
    expected = sum(r * g @ t.mean(axis=0) for r, g, t in zip(rates / rates.sum(), own, aims, strict=True))
    np.testing.assert_allclose(scores(warehouse, "tracin"), expected, rtol=1e-3, atol=1e-3)


def test_cosines_are_summed_over_checkpoints_before_the_best_task_is_taken(warehouse: Warehouse):
    own, aims = (exact(warehouse, "path", rows) for rows in (corpus(warehouse, "sums"), target(warehouse)))
    expected = sum(unit(g) @ unit(t).T for g, t in zip(own, aims, strict=True)).max(axis=1) / 2
    np.testing.assert_allclose(scores(warehouse, "even"), expected, rtol=1e-3, atol=1e-4)


def test_every_checkpoint_has_a_curvature_of_its_own(warehouse: Warehouse):
    meta = warehouse.lake.require(("curvature", "path")).meta
    assert meta["checkpoints"] == [0, 1]
    arrays = warehouse.lake.read_arrays(("curvature", "path"))
    early, late = (arrays[f"{k}/{meta['modules'][0]}.eigenvalues"] for k in (0, 1))
    assert not np.allclose(early, late)
    assert np.isfinite(scores(warehouse, "bent")).all()


def test_less_compares_steps_of_adam_with_plain_gradients_of_the_target(warehouse: Warehouse):
    """Written out with NumPy from the moments beside the weights."""
    from safetensors.numpy import load_file

    own, aims = (exact(warehouse, "steps", rows)[0] for rows in (corpus(warehouse, "sums"), target(warehouse)))
    kept = load_file(moments_file(model_folder(warehouse, "tiny")))
    modules = warehouse.lake.require(("curvature", "plain")).meta["modules"]
    first, second = (
        np.concatenate([kept[f"{name}.weight.{which}"].ravel() for name in modules]).astype(np.float64)
        for which in ("first", "second")
    )
    steps = (0.9 * first + 0.1 * own) / np.sqrt(0.95 * second + 0.05 * own**2 + 1e-8)
    expected = (unit(steps) @ unit(aims).T).max(axis=1)
    np.testing.assert_allclose(scores(warehouse, "less"), expected, rtol=1e-3, atol=1e-4)
    plain = (unit(own) @ unit(aims).T).max(axis=1)
    assert np.abs(expected - plain).max() > 0.01


def test_the_target_is_divided_by_the_root_of_adams_second_moments(warehouse: Warehouse):
    from safetensors.numpy import load_file

    own, aims = (exact(warehouse, "plain", rows)[0] for rows in (corpus(warehouse, "sums"), target(warehouse)))
    kept = load_file(moments_file(model_folder(warehouse, "tiny")))
    modules = warehouse.lake.require(("curvature", "plain")).meta["modules"]
    second = np.concatenate([kept[f"{name}.weight.second"].ravel() for name in modules]).astype(np.float64)
    expected = own @ (aims.mean(axis=0) / np.sqrt(second + 1e-8))
    np.testing.assert_allclose(scores(warehouse, "scaled"), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_trak_is_the_damped_dual_form_over_the_stored_table(warehouse: Warehouse):
    """(Phi^T Phi + l I)^-1 Phi^T = Phi^T (Phi Phi^T + l I)^-1: the other side's matrix gives the same scores."""

    def stored(*keys: tuple[str, ...]) -> np.ndarray:
        table = pl.concat(warehouse.lake.scan(key).sort("row_id") for key in keys).collect()
        return vectors_of(table["gradient"]).astype(np.float64) * table["norm"].to_numpy()[:, None]

    pool = stored(*(("gradients", "plain", source) for source in ("code", "fruit", "sums")))
    aim = stored(("target_gradients", "plain", "adding")).mean(axis=0)
    damping = 0.1 * (pool**2).sum() / pool.shape[1]
    expected = np.linalg.solve(pool @ pool.T + damping * np.eye(len(pool)), pool @ aim)
    found = np.concatenate([scores(warehouse, "trak", source) for source in ("code", "fruit", "sums")])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_examples_take_their_best_rows_in_turn(warehouse: Warehouse):
    """The order is that of the sampler, on whole gradients joined over checkpoints by the roots of their weights."""
    rows, examples = corpus(warehouse, "code", "fruit", "sums"), target(warehouse)
    manifest = json.loads((model_folder(warehouse, "tiny") / "manifest.json").read_text())
    weights = np.sqrt(checkpoint_rates(manifest, 2) / np.sum(checkpoint_rates(manifest, 2)))
    own, aims = (
        np.concatenate([w * unit(g) for w, g in zip(weights, exact(warehouse, "path", some), strict=True)], axis=1)
        for some in (rows, examples)
    )
    pool = Candidates(rows["row_id"].to_numpy().astype(np.str_), vectors=ArrayVectors(own), queries=aims)
    order = round_robin.sample(pool, 12, round_robin.Params(), 0).order
    expected = [str(rows["row_id"][int(i)]) for i in order]
    tables = [warehouse.lake.scan(("influence", "turns", source)) for source in ("code", "fruit", "sums")]
    found = pl.concat(tables).collect().sort("score", "row_id", descending=[True, False])
    assert found["row_id"].head(12).to_list() == expected
    assert found["score"][0] == 0


def test_moso_is_what_a_row_does_to_the_pool_beyond_a_mean_row(warehouse: Warehouse):
    every = corpus(warehouse, "code", "fruit", "sums")
    gradients = exact(warehouse, "plain", every)[0]
    mean = gradients.mean(axis=0)
    expected = (gradients - mean) @ mean
    rows = (every["source"] == "sums").to_numpy()
    np.testing.assert_allclose(scores(warehouse, "moso"), expected[rows], rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    together = np.concatenate([scores(warehouse, "moso", source) for source in ("code", "fruit", "sums")])
    assert abs(together.mean()) < 1e-3 * np.abs(together).max()


def test_held_out_rows_judge_the_others_and_are_not_judged(warehouse: Warehouse):
    spec = warehouse.registry.scores["glister"]
    seen = judges(spec, Differentiated.of(warehouse, "plain"), warehouse)
    assert 0 < seen.height < 3 * N
    mean = exact(warehouse, "plain", seen)[0].mean(axis=0)
    own = corpus(warehouse, "sums")
    expected = exact(warehouse, "plain", own)[0] @ mean
    held = own["row_id"].is_in(seen["row_id"].to_list()).to_numpy()
    found = scores(warehouse, "glister")
    np.testing.assert_allclose(found[~held], expected[~held], rtol=1e-3, atol=1e-3)
    assert np.isnan(found[held]).all()
    unscored = sum(np.isnan(scores(warehouse, "glister", source)).sum() for source in ("code", "fruit", "sums"))
    assert unscored == seen.height


def test_grand_is_the_mean_length_over_checkpoints(warehouse: Warehouse):
    gradients = exact(warehouse, "path", corpus(warehouse, "sums"))
    expected = np.mean([np.linalg.norm(own, axis=1) for own in gradients], axis=0)
    np.testing.assert_allclose(scores(warehouse, "long", family="gradient_norm"), expected, rtol=1e-4)


def test_gradients_of_several_checkpoints_are_the_layers_of_a_representation(data: Path):
    file = data / "representations" / "slopes.yaml"
    write_yaml(file, {"source": {"gradients": "path"}, "compress": {"method": "none", "layer_norm": "l2"}})
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "representations/slopes", "sums", upstream=True)
    own = vectors_of(warehouse.lake.scan(("representations", "slopes", "sums")).sort("row_id").collect()["vector"])
    table = warehouse.lake.scan(("gradients", "path", "sums")).sort("row_id").collect()
    layers = np.stack([vectors_of(table[f"gradient_{k}"]) for k in (0, 1)], axis=1)
    np.testing.assert_allclose(own @ own.T, np.einsum("nld,mld->nm", layers, layers) / 2, atol=5e-3)
    file.unlink()


def test_a_model_whose_training_kept_no_moments_is_refused_with_what_to_do(warehouse: Warehouse):
    opening = Differentiated.of(warehouse, "steps").openings(warehouse, moments=True)[0]
    file = moments_file(model_folder(warehouse, "tiny"))
    aside = file.rename(file.with_suffix(".aside"))
    with pytest.raises(StaleTableError, match="materialise its proxy_lm table again"):
        open_model(warehouse, **opening)
    aside.rename(file)


def test_a_proxy_is_trained_again_for_moments_only_when_they_are_asked_for(tmp_path: Path):
    data = small_pool(tmp_path / "data", n=6)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    steps = {"model": "tiny", "optimiser": "adam", "loss": "response_mean", "checkpoints": "all"}
    write_yaml(data / "gradients" / "steps.yaml", steps)
    write_yaml(data / "scores" / "less.yaml", {"how": "influence", "gradients": "steps", "target": "adding"})
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "proxy_lm/tiny", upstream=True)
    folder, version = model_folder(warehouse, "tiny"), warehouse.lake.version(("proxy_lm", "tiny"))
    assert not moments_file(folder).exists()
    assert kept_checkpoints(folder) == []
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": "influence.less"}, "budget": {"rows": 2}}
    write_yaml(data / "recipes" / "mine.yaml", recipe)
    warehouse = open_warehouse(data, device="cpu")
    page = make(warehouse, "proxy_lm/tiny").built.metadata
    assert page["trained"] == "yes: 2 checkpoints are asked for"
    assert all(moments_file(model).is_file() for model in (folder, *kept_checkpoints(folder)))
    assert len(kept_checkpoints(folder)) == 2
    assert warehouse.lake.version(("proxy_lm", "tiny")) == version
    (data / "recipes" / "mine.yaml").unlink()
    made = make(open_warehouse(data, device="cpu"), "proxy_lm/tiny")
    assert made.built is None or made.built.metadata["trained"].startswith("no")


HUB = {"causal": {"model": "owner/model"}}
PROXY = {"causal": CAUSAL}
SCORE = {"how": "influence", "gradients": "g", "target": "adding"}


@pytest.mark.parametrize(
    ("model", "gradients", "score", "file", "problem"),
    [
        (HUB, {"optimiser": "adam"}, None, "gradients/g.yaml", "is not trained here, and what Adam remembered"),
        (HUB, {}, {**SCORE, "precondition": "adam"}, "scores/s.yaml", "say 'precondition: ekfac' or 'none'"),
        (
            HUB,
            {},
            {"how": "influence", "gradients": "g", "toward": "held_out"},
            "scores/s.yaml",
            "only models trained here (local:proxy_lm) hold rows out",
        ),
        (PROXY, {"checkpoints": [2]}, None, "gradients/g.yaml", "there is no number 2"),
        (HUB, {"checkpoints": "all"}, None, "gradients/g.yaml", "names none: say 'checkpoints: [{revision: ...}"),
        (
            {**PROXY, "checkpoints": 3},
            {"checkpoints": [0, 3]},
            None,
            "gradients/g.yaml",
            "there is no number 3: language_models/m.yaml keeps 3, numbered from 0",
        ),
        (
            {**HUB, "checkpoints": [{"revision": "step1"}]},
            {"checkpoints": "all"},
            SCORE,
            "scores/s.yaml",
            "does not say the learning_rate of each checkpoint",
        ),
        (PROXY, {"optimiser": "adam"}, {**SCORE, "precondition": "adam"}, "scores/s.yaml", "steps of Adam already"),
        (
            PROXY,
            {"optimiser": "adam"},
            {"how": "gradient_norm", "gradients": "g"},
            "scores/s.yaml",
            "nearly equally long for all rows",
        ),
        (PROXY, {"dims": 9000}, {**SCORE, "precondition": "gram"}, "scores/s.yaml", "at most 8,192 dims"),
        (PROXY, {}, {"how": "influence", "gradients": "g"}, "scores/s.yaml", "give 'target: ...'"),
        (PROXY, {}, {**SCORE, "toward": "pool"}, "scores/s.yaml", "give 'target: ...'"),
        (
            PROXY,
            {},
            {"how": "influence", "gradients": "g", "toward": "pool", "reduce": "max"},
            "scores/s.yaml",
            "'reduce: max' is over parts of a target",
        ),
        (
            PROXY,
            {},
            {**SCORE, "precondition": "gram", "reduce": "round_robin"},
            "scores/s.yaml",
            "use the sampler round_robin on a representation",
        ),
        (PROXY, {"checkpoints": [1, 1]}, None, "gradients/g.yaml", "each once, such as [0, 2]"),
    ],
)
def test_what_a_model_does_not_keep_is_refused_with_the_way_out(tmp_path, model, gradients, score, file, problem):
    data = small_pool(tmp_path / "data", n=5)
    write_yaml(data / "language_models" / "m.yaml", model)
    write_yaml(data / "gradients" / "g.yaml", {"model": "m", **gradients})
    if score is not None:
        write_yaml(data / "scores" / "s.yaml", score)
    assert problem in load_registry(data).errors[file]


def test_checkpoints_of_a_model_from_elsewhere_are_read_in_order_and_weigh_as_its_file_says(tmp_path: Path):
    data = small_pool(tmp_path / "data", n=5)
    folders = [tiny_causal("llama", tmp_path / name) for name in ("early", "late")]
    checkpoints = [{"model": folder, "learning_rate": rate} for folder, rate in zip(folders, (0.3, 0.1), strict=True)]
    model = {"causal": {"model": folders[1], "max_tokens": 48, "template": "plain"}, "checkpoints": checkpoints}
    write_yaml(data / "language_models" / "m.yaml", model)
    write_yaml(data / "gradients" / "all.yaml", {"model": "m", "checkpoints": "all"})
    write_yaml(data / "gradients" / "late.yaml", {"model": "m", "checkpoints": [1]})
    warehouse = open_warehouse(data, device="cpu")
    every, late = (Differentiated.of(warehouse, name) for name in ("all", "late"))
    assert [opening["causal"]["model"] for opening in every.openings(warehouse)] == folders
    assert [opening["causal"]["model"] for opening in late.openings(warehouse)] == folders[1:]
    assert every.rates(warehouse) == pytest.approx([0.75, 0.25])
    assert late.rates(warehouse) == [1.0]
    assert len({own.version(warehouse) for own in (every, late)}) == 2


def test_checkpoints_of_the_hub_may_say_their_rates_or_count_alike(tmp_path: Path):
    data = small_pool(tmp_path / "data", n=5)
    checkpoints = [{"revision": "step1", "learning_rate": 0.1}, {"revision": "step2", "learning_rate": 0.05}]
    write_yaml(data / "language_models" / "m.yaml", {**HUB, "checkpoints": checkpoints})
    write_yaml(data / "gradients" / "g.yaml", {"model": "m", "checkpoints": "all"})
    write_yaml(data / "scores" / "s.yaml", SCORE)
    assert load_registry(data).errors == {}
    write_yaml(data / "language_models" / "m.yaml", {**HUB, "checkpoints": [{"revision": "step1"}]})
    write_yaml(data / "scores" / "s.yaml", {**SCORE, "checkpoint_weights": "equal"})
    assert load_registry(data).errors == {}
