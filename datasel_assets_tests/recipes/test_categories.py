"""Quotas over categories, and a sampler whose subset depends on the budget (LASER)."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.recipes.inputs import GivenInputs
from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.samplers import best_of_clusters
from datasel_assets.specs.recipe import RecipeSpec

GALLERY = Path(__file__).resolve().parents[2] / "data" / "gallery"
SHARES = {"Math": 0.5, "Coding": 0.3, "Extraction": 0.2}
CLUSTERED = {"sampler": "best_of_clusters", "by": "n_chars", "representation": "r"}


def make(n: int = 600, seed: int = 0) -> tuple[pl.DataFrame, GivenInputs]:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    category = rng.choice([*SHARES, ""], n, p=[0.4, 0.3, 0.25, 0.05])
    pool = pl.DataFrame(
        {
            "row_id": [f"{i:05d}" for i in range(n)],
            "source": rng.choice(["a", "b"], n),
            "n_chars": rng.permutation(n),
            "n_tokens": rng.integers(10, 90, n),
            "category.laser": [name or None for name in category.tolist()],
        }
    )
    return pool, GivenInputs({"r": ArrayVectors(vectors.astype(np.float32))})


def run(select: dict, budget: dict, pool: pl.DataFrame, inputs: GivenInputs) -> Selection:
    spec = RecipeSpec.model_validate({"paper": "baseline", "select": select, "budget": budget})
    return run_recipe(spec, pool, inputs)


def by_category(inner: dict, **more: object) -> dict:
    return {"sampler": "stratify", "groups": "laser", "quota": "weights", "weights": SHARES, "inner": inner, **more}


def test_shares_of_categories_are_exact_where_there_are_rows_enough():
    pool, inputs = make()
    inner = {"sampler": "best_of_clusters", "by": "n_chars"}
    selection = run(by_category(inner, representation="r"), {"rows": 40}, pool, inputs)
    counts = selection.selected.join(pool, on="row_id")["category.laser"].value_counts()
    assert dict(counts.iter_rows()) == {"Math": 20, "Coding": 12, "Extraction": 8}
    assert selection.notes == ()


def test_rows_without_a_category_are_left_out_with_a_reason():
    pool, inputs = make()
    decisions = run(by_category({"sampler": "random"}), {"rows": 40}, pool, inputs).decisions
    lacking = pool.filter(pl.col("category.laser").is_null())["row_id"]
    assert set(decisions.filter(pl.col("stage") == "ineligible")["row_id"]) == set(lacking)
    reasons = decisions.filter(pl.col("stage") == "ineligible")["reason"].unique().to_list()
    assert reasons == ["it has no category in laser"]
    assert decisions.filter("kept")["reason"].str.contains("taking turns by laser").all()


def test_a_pool_without_the_categories_is_refused():
    pool, inputs = make()
    with pytest.raises(ValueError, match=r"needs the column 'category\.laser'"):
        run(by_category({"sampler": "random"}), {"rows": 4}, pool.drop("category.laser"), inputs)


def test_the_selection_says_in_which_category_clusters_could_not_matter():
    pool, inputs = make()
    inner = {"sampler": "best_of_clusters", "by": "n_chars"}
    notes = run(by_category(inner, representation="r"), {"rows": 200}, pool, inputs).notes
    assert [note.split(":")[0] for note in notes] == ["Coding", "Extraction", "Math"]
    assert all("the percentile was lowered from 0.8 to 0." in note for note in notes)
    step = {**CLUSTERED, "take": {"rows": 300}}
    spec = {"paper": "x", "narrow": [step], "select": {"sampler": "random"}, "budget": {"rows": 9}}
    assert run_recipe(RecipeSpec.model_validate(spec), pool, inputs).notes[0].startswith("step 1: 300 of 600 rows")


def test_a_sampler_without_prefixes_is_asked_for_as_many_rows_as_the_budget_takes(monkeypatch):
    pool, inputs = make()
    asked = []
    sample = best_of_clusters.sample

    def counted(candidates, budget, params, seed):
        asked.append(budget)
        return sample(candidates, budget, params, seed)

    monkeypatch.setattr(best_of_clusters, "sample", counted)
    taken = run(CLUSTERED, {"rows": 50}, pool, inputs).selected
    assert (asked, taken.height) == ([50], 50)
    asked.clear()
    capped = run(CLUSTERED, {"rows": 50, "per_source": {"a": {"max_rows": 5}}}, pool, inputs)
    assert capped.selected.height == 50
    assert capped.within_budget
    assert asked[0] == 50
    assert asked[-1] < 200
    asked.clear()
    by_tokens = run(CLUSTERED, {"tokens": 2000}, pool, inputs)
    assert 2000 - 90 < by_tokens.budget["used"] <= 2000
    assert by_tokens.selected.height <= asked[-1] <= 1.3 * by_tokens.selected.height


def test_the_recipe_of_the_gallery_keeps_its_shares_and_prefers_good_and_hard_rows():
    raw = yaml.safe_load((GALLERY / "laser.yaml").read_text("utf-8"))
    spec = RecipeSpec.model_validate({**raw, "budget": {"rows": 80}})
    assert sum(spec.select.params.weights.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    n = 1400
    _, inputs = make(n)
    pool = pl.DataFrame(
        {
            "row_id": [f"{i:05d}" for i in range(n)],
            "source": ["a"] * n,
            "n_tokens": rng.integers(10, 90, n),
            "response_chars": [9] * n,
            "duplicate_of": pl.Series([None] * n, dtype=pl.String),
            "category.laser": rng.choice(sorted(spec.select.params.weights), n),
            "blend.plain_quality": rng.random(n),
            "proxy_lm.ifd_loss_ratio": rng.random(n),
        }
    )
    given = GivenInputs({"rds_plus": inputs.by_representation["r"]})
    chosen = run_recipe(spec, pool, given).selected.join(pool, on="row_id")
    counts = dict(chosen["category.laser"].value_counts().iter_rows())
    assert counts == {name: round(80 * share) for name, share in spec.select.params.weights.items()}
    for score in ("blend.plain_quality", "proxy_lm.ifd_loss_ratio"):
        assert chosen[score].mean() > 0.65
