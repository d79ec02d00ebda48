import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.recipes import interpreter
from datasel_assets.recipes.inputs import GivenInputs, Queries
from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.ledger import DECISIONS_SCHEMA, SELECTED_SCHEMA
from datasel_assets.samplers import SAMPLERS, Tags
from datasel_assets.specs.recipe import RecipeSpec

DIM, QUERIES = 6, 4
SELECTS = {
    "random": {"sampler": "random"},
    "longest": {"sampler": "longest"},
    "topk": {"sampler": "topk", "by": "n_chars", "keep": "low"},
    "round_robin": {"sampler": "round_robin", "representation": "r", "target": "t"},
    "kcenter": {"sampler": "kcenter", "representation": "r"},
    "stratify": {"sampler": "stratify", "groups": "cluster", "quota": "sqrt"},
    "stratified round robin": {
        "sampler": "stratify",
        "groups": "source",
        "inner": {"sampler": "round_robin", "rule": "advance"},
        "representation": "r",
        "target": "t",
    },
    "band": {"sampler": "band", "by": "n_chars", "low": 0.0, "unit": "percentile", "first": "low"},
    "greedy": {"sampler": "greedy", "representation": "r", "objective": {"name": "facility_location"}},
    "match_mean": {"sampler": "match_mean", "representation": "r"},
    "mig": {"sampler": "mig", "tags": "g"},
    "thin": {"sampler": "thin", "by": "n_chars", "representation": "r", "threshold": 0.5, "fill": "order"},
    "best_of_clusters": {"sampler": "best_of_clusters", "by": "n_chars", "representation": "r"},
    "rounds": {"sampler": "rounds", "rounds": 3, "inner": {"sampler": "topk", "by": "n_chars"}},
    "ordered_clusters": {"sampler": "ordered_clusters", "representation": "r"},
    "score_ranges": {"sampler": "score_ranges", "by": "n_chars", "ranges": 7},
}
BUDGETS = [
    {"fraction": 0.1},
    {"rows": 25},
    {"tokens": 1500},
    {"response_tokens": 900},
    {"rows": 40, "per_source": {"a": {"max_share": 0.4}, "c": {"min_rows": 6}}},
    {"tokens": 2500, "per_source": {"c": {"min_rows": 3}, "default": {"max_rows": 12}}},
]
RULES = [{"when": "duplicate"}, {"score": "response_chars", "below": 1}, {"source": ["d"]}]


def make(n: int = 200, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[rng.random(n) < 0.03] = 0
    ids = [f"{i:032x}" for i in rng.permutation(n)]
    copies = rng.random(n) < 0.1
    copies[0] = False
    pool = pl.DataFrame(
        {
            "row_id": ids,
            "source": rng.choice(["a", "b", "c", "d"], n, p=[0.6, 0.2, 0.15, 0.05]),
            "n_turns": rng.integers(1, 5, n),
            "n_chars": rng.integers(10, 900, n),
            "n_tokens": rng.integers(10, 99, n),
            "n_response_tokens": rng.integers(5, 60, n),
            "response_chars": rng.integers(0, 12, n),
            "prompt_chars": rng.integers(0, 12, n),
            "duplicate_of": [ids[0] if copy else None for copy in copies],
            "cluster": pl.Series(rng.integers(0, 9, n), dtype=pl.Int32),
        }
    )
    queries = rng.standard_normal((QUERIES, DIM))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return pool, vectors.astype(np.float16), queries.astype(np.float16)


def recipe(select: dict, budget: dict, **more) -> RecipeSpec:
    return RecipeSpec.model_validate({"paper": "baseline", "drop": RULES, "select": select, "budget": budget, **more})


def run(select: dict, budget: dict, pool, vectors, queries, **more) -> Selection:
    return run_recipe(recipe(select, budget, **more), pool, inputs_of(vectors, queries))


def inputs_of(vectors: np.ndarray, queries: np.ndarray, **more) -> GivenInputs:
    drawn = np.abs(vectors.astype(np.float64)[:, 0] * 1000).astype(int)  # goes with the row, wherever it stands
    counts = 1 + drawn % 3
    indptr = np.concatenate([[0], np.cumsum(counts)])
    labels = np.concatenate([np.empty(0, int), *(np.arange(c) + d % 5 for d, c in zip(drawn, counts, strict=True))])
    tags = Tags(indptr, labels.astype(np.int32), 8)
    graph = csr_array(np.eye(8, k=1) * 0.5 + np.eye(8, k=-1) * 0.5)
    return GivenInputs({"r": ArrayVectors(vectors)}, {"t": Queries(queries, **more)}, {"g": tags}, {"g": graph})


every_case = pytest.mark.parametrize(
    ("select", "budget"),
    [(select, budget) for select in SELECTS.values() for budget in BUDGETS],
    ids=[f"{name}-{i}" for name in SELECTS for i in range(len(BUDGETS))],
)


def test_every_sampler_is_run_by_some_recipe_here():
    assert {select["sampler"] for select in SELECTS.values()} == set(SAMPLERS)


@every_case
def test_every_row_has_one_decision_and_the_two_tables_agree(select, budget):
    pool, vectors, queries = make()
    selection = run(select, budget, pool, vectors, queries)
    decisions, selected = selection.decisions, selection.selected
    assert decisions.schema == DECISIONS_SCHEMA
    assert selected.schema == SELECTED_SCHEMA
    assert decisions["row_id"].to_list() == sorted(pool["row_id"].to_list())
    assert decisions.select("kept", "stage", "reason").null_count().row(0) == (0, 0, 0)
    assert set(decisions.filter("kept")["row_id"]) == set(selected["row_id"])
    assert decisions.filter(pl.col("kept") != (pl.col("stage") == "kept")).is_empty()
    assert set(decisions["stage"]) <= {"duplicate", "rule:2", "rule:3", "ineligible", "budget", "source cap", "kept"}
    assert selected["rank"].to_list() == list(range(1, selected.height + 1))
    joined = selected.join(pool, on="row_id", how="left", maintain_order="left")
    for column in ("source", "n_tokens", "n_response_tokens"):
        assert selected[column].to_list() == joined[f"{column}_right"].to_list()
    assert selected["cumulative_n_tokens"].to_list() == selected["n_tokens"].cum_sum().to_list()


@every_case
def test_the_budget_and_the_bounds_per_source_are_kept(select, budget):
    pool, vectors, queries = make()
    selection = run(select, budget, pool, vectors, queries)
    taken = selection.selected
    assert selection.within_budget
    per_source = dict(taken["source"].value_counts().iter_rows())
    if "tokens" in budget or "response_tokens" in budget:
        unit = "tokens" if "tokens" in budget else "response_tokens"
        assert taken[f"n_{unit}"].sum() == selection.budget["used"] <= budget[unit]
    else:
        assert taken.height == selection.budget["used"] == (20 if "fraction" in budget else budget["rows"])
    if "per_source" in budget:
        assert per_source.get("c", 0) >= budget["per_source"]["c"]["min_rows"]
    if "default" in budget.get("per_source", {}):
        assert max(per_source.get("a", 0), per_source.get("b", 0)) <= 12
    if "rows" in budget and "per_source" in budget:
        assert per_source["a"] <= 16


@every_case
def test_the_order_of_the_pools_rows_does_not_matter(select, budget):
    pool, vectors, queries = make()
    expected = run(select, budget, pool, vectors, queries)
    for seed in (1, 2):
        moved = np.random.default_rng(seed).permutation(pool.height)
        got = run(select, budget, pool[moved], vectors[moved], queries)
        assert got.selected.equals(expected.selected)
        assert got.decisions.equals(expected.decisions)


@pytest.mark.parametrize("select", SELECTS.values(), ids=SELECTS)
def test_margins_part_kept_rows_from_those_the_budget_left_out(select):
    decisions = run(select, {"fraction": 0.1}, *make()).decisions
    kept = decisions.filter(pl.col("stage") == "kept")["margin"].drop_nulls()
    left_out = decisions.filter(pl.col("stage") == "budget")["margin"].drop_nulls()
    unordered = ("random", "band", "match_mean", "thin", "rounds", "ordered_clusters", "score_ranges")
    if select["sampler"] in unordered or select == SELECTS["stratify"]:
        assert kept.is_empty()
        assert left_out.is_empty()
    elif select["sampler"] == "best_of_clusters":  # a cluster's best row may be worse than one that stays behind
        assert kept.min() == 0
        assert left_out.is_empty()
    else:
        assert kept.min() == 0
        assert left_out.len() > 100
        assert left_out.max() <= 0


@settings(max_examples=25)
@given(rows=st.integers(1, 150), select=st.sampled_from([s for n, s in SELECTS.items() if n != "best_of_clusters"]))
def test_a_smaller_row_budget_selects_a_prefix(rows, select):
    pool, vectors, queries = make()
    large = run(select, {"rows": 160}, pool, vectors, queries).selected
    small = run(select, {"rows": rows}, pool, vectors, queries).selected
    assert small["row_id"].to_list() == large["row_id"].to_list()[:rows]


def test_rows_that_no_query_reached_tell_the_query_that_came_closest(monkeypatch):
    pool, vectors, queries = make()
    full = run(SELECTS["round_robin"], {"rows": 20}, pool, vectors, queries)
    monkeypatch.setattr(interpreter, "RANKED_ENTRIES", 0)
    short = run(SELECTS["round_robin"], {"rows": 20}, pool, vectors, queries)
    assert short.selected.equals(full.selected)
    left_out = short.decisions.filter(pl.col("stage") == "budget")
    assert left_out["rank"].null_count() == left_out.height
    assert left_out["margin"].null_count() == 0
    assert left_out["margin"].max() <= 0
    cutoffs = dict(short.selected.group_by("selected_for").agg(pl.col("score").min()).iter_rows())
    exact = queries.astype(np.float64) @ vectors.astype(np.float64).T
    position = {row: i for i, row in enumerate(pool["row_id"])}
    for row, score, margin, reason in left_out.select("row_id", "score", "margin", "reason").head(20).iter_rows():
        own = exact[:, position[row]] - [cutoffs.get(f"query {q}", np.inf) for q in range(QUERIES)]
        assert margin == pytest.approx(own.max(), abs=1e-6)
        assert score == pytest.approx(exact[own.argmax(), position[row]], abs=1e-6)
        assert reason.startswith("not among the 20 rows that were ranked, best chance with query")


def test_reasons_read_like_sentences():
    pool, vectors, queries = make()
    reasons = {
        name: run(select, {"fraction": 0.1}, pool, vectors, queries).decisions.filter(pl.col("rank") == 2)["reason"][0]
        for name, select in SELECTS.items()
    }
    eligible = run(SELECTS["random"], {"fraction": 0.1}, pool, vectors, queries).budget["eligible_rows"]
    assert reasons["random"] == f"ranked 2nd of {eligible} in random order (seed 0)"
    assert reasons["longest"] == f"ranked 2nd of {eligible} by n_response_tokens (59)"
    assert re.fullmatch(rf"ranked 2nd of {eligible} by n_chars \(\d+\.0\)", reasons["topk"])
    for name, text in (
        ("round_robin", ", taken by query 1, similarity 0."),
        ("kcenter", " away from the nearest row ranked before it"),
        ("stratify", ", taking turns by cluster in random order"),
        ("band", " by n_chars ("),
        ("greedy", " to the objective"),
        ("match_mean", ", which leaves the mean "),
        ("mig", " of information"),
        ("thin", " by n_chars ("),
        ("best_of_clusters", " by n_chars ("),
        ("rounds", " by n_chars ("),
        ("stratified round robin", ", taking turns by source, taken by query "),
    ):
        assert text in reasons[name]


def test_labels_name_the_queries():
    pool, vectors, queries = make()
    spec = recipe(SELECTS["round_robin"], {"rows": 8})
    labels = [f"sum {q}" for q in range(QUERIES)]
    selection = run_recipe(spec, pool, inputs_of(vectors, queries, labels=labels))
    assert selection.selected["selected_for"].head(4).to_list() == labels
    assert "taken by sum 2" in selection.decisions.filter(pl.col("rank") == 3)["reason"][0]


def test_tasks_reach_the_sampler():
    pool, vectors, queries = make()
    spec = recipe({**SELECTS["round_robin"], "rule": "task_round_robin"}, {"rows": 10})
    selection = run_recipe(spec, pool, inputs_of(vectors, queries, tasks=["x", "y", "y", "y"]))
    assert (selection.selected["selected_for"] == "query 0").to_list() == [True, False] * 5


def test_unused_budget_and_shortfalls_are_noted():
    pool, vectors, queries = make()
    notes = run(SELECTS["random"], {"rows": 5000}, pool, vectors, queries).notes
    assert notes[0].startswith("5,000 rows were asked for, but only ")
    selection = run(SELECTS["longest"], {"tokens": 777}, pool, vectors, queries)
    assert selection.budget["unused"] == 777 - selection.selected["n_tokens"].sum()
    absent = {"rows": 5, "per_source": {"gone": {"max_rows": 3}}}
    assert run(SELECTS["random"], absent, pool, vectors, queries).notes == (
        "the recipe names the source gone, which is not in the pool",
    )


def test_a_pool_without_eligible_rows_gives_an_empty_selection_and_all_decisions():
    pool, vectors, queries = make(20)
    pool = pool.with_columns(response_chars=pl.lit(0))
    for select in SELECTS.values():
        selection = run(select, {"rows": 3}, pool, vectors, queries)
        assert selection.selected.is_empty()
        assert selection.decisions.height == 20
        assert selection.within_budget


def test_an_empty_pool_is_fine():
    pool, vectors, queries = make(5)
    selection = run(SELECTS["random"], {"fraction": 0.1}, pool.clear(), vectors[:0], queries)
    assert selection.selected.is_empty()
    assert selection.decisions.is_empty()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pool: pool.drop("source"), "no column 'source'"),
        (lambda pool: pool.with_columns(row_id=pl.lit("same")), "'same' occurs more than once"),
        (lambda pool: pool.drop("n_tokens"), "needs the column 'n_tokens'"),
        (lambda pool: pool.with_columns(n_tokens=pl.lit(None, pl.Int32)), "not known for"),
    ],
)
def test_a_pool_that_lacks_something_is_refused(change, message):
    pool, vectors, queries = make(30)
    with pytest.raises(ValueError, match=message):
        run(SELECTS["random"], {"tokens": 100}, change(pool), vectors, queries)


def test_a_score_or_cluster_that_no_row_has_is_named():
    pool, vectors, queries = make(10)
    uncounted = pool.with_columns(n_tokens=pl.lit(None, pl.Int32))
    with pytest.raises(ValueError, match="n_tokens is not known for any row of the pool: count tokens"):
        run({"sampler": "topk", "by": "n_tokens"}, {"rows": 2}, uncounted, vectors, queries)
    with pytest.raises(ValueError, match="needs the column 'cluster', which the pool lacks"):
        run(SELECTS["stratify"], {"rows": 2}, pool.drop("cluster"), vectors, queries)


def test_missing_vectors_or_queries_are_named():
    pool, vectors, queries = make(30)
    spec = recipe(SELECTS["round_robin"], {"rows": 3})
    with pytest.raises(ValueError, match="reads 'r', but no vectors"):
        run_recipe(spec, pool, GivenInputs(by_target={"t": Queries(queries)}))
    with pytest.raises(ValueError, match="reads 't', but no queries"):
        run_recipe(spec, pool, GivenInputs({"r": ArrayVectors(vectors)}))


def scored(**scores) -> pl.DataFrame:
    n = len(next(iter(scores.values())))
    return pl.DataFrame({"row_id": [f"r{i}" for i in range(n)], "source": ["a"] * n, **scores})


def best(by: str, pool: pl.DataFrame, keep: str = "auto", signs: dict | None = None, **more) -> list[str]:
    select = {"sampler": "topk", "by": by, "keep": keep}
    spec = RecipeSpec.model_validate({"paper": "baseline", "select": select, "budget": {"rows": 2}, **more})
    return run_recipe(spec, pool, keep=signs).selected["row_id"].to_list()


def test_the_best_rows_are_those_with_high_low_or_middling_values_as_the_recipe_or_the_indicator_says():
    pool = scored(**{"lm.loss": [1.0, 5.0, 2.0, 3.0, 9.0, None]})
    assert best("lm.loss", pool) == ["r4", "r1"]
    assert best("lm.loss", pool, signs={"lm.loss": "low"}) == ["r0", "r2"]
    assert best("lm.loss", pool, keep="high", signs={"lm.loss": "low"}) == ["r4", "r1"]
    assert best("lm.loss", pool, keep="mid") == ["r3", "r1"]


def test_a_recipe_can_rank_by_a_blend_of_its_own():
    pool = scored(**{"text.a": [0.0, 1.0, 2.0], "text.b": [9.0, 0.0, 1.0]})
    inputs = [{"score": "text.a"}, {"score": "text.b", "keep": "low"}]
    blended = {"scores": {"both": {"how": "rank_mean", "inputs": inputs}}}
    assert best("blend.both", pool, **blended) == ["r1", "r2"]


def test_reasons_show_a_low_score_as_it_is_and_not_with_its_sign_turned():
    pool = scored(**{"lm.loss": [1.25, 5.0]})
    select = {"sampler": "topk", "by": "lm.loss", "keep": "low"}
    spec = RecipeSpec.model_validate({"paper": "baseline", "select": select, "budget": {"rows": 1}})
    decisions = run_recipe(spec, pool).decisions
    assert decisions["reason"].to_list() == [
        "ranked 1st of 2 by lm.loss (1.25)",
        "ranked 2nd of 2 by lm.loss (5.0); the budget took 1",
    ]


WEIGHTED = {
    "topk": {"sampler": "topk", "by": "n_chars", "tau": 300.0, "weights": "unbiased"},
    "topk with replacement": {"sampler": "topk", "by": "n_chars", "tau": 300.0, "replace": True},
    "match_mean": {"sampler": "match_mean", "representation": "r", "weights": True},
    "stratify": {"sampler": "stratify", "groups": "cluster", "quota": "equal", "repeat": 3.0},
    "without prefixes": {
        "sampler": "stratify",
        "groups": "source",
        "quota": "sqrt",
        "repeat": 3.0,
        "representation": "r",
        "inner": {"sampler": "best_of_clusters", "by": "n_chars"},
    },
}


@pytest.mark.parametrize("budget", [{"tokens": 1500}, {"response_tokens": 900}, {"tokens": 7500}])
@pytest.mark.parametrize("select", WEIGHTED.values(), ids=WEIGHTED)
def test_weights_are_those_of_a_budget_of_as_many_rows_as_the_tokens_came_to(select, budget):
    pool, vectors, queries = make()
    by_tokens = run(select, budget, pool, vectors, queries, seed=3)
    by_rows = run(select, {"rows": by_tokens.selected.height}, pool, vectors, queries, seed=3)
    assert by_tokens.selected["weight"].n_unique() > 1
    assert by_tokens.selected.equals(by_rows.selected)
    assert any("the next row is longer" in note for note in by_tokens.notes)


@pytest.mark.parametrize("select", WEIGHTED.values(), ids=WEIGHTED)
def test_beside_a_source_cap_weights_are_those_of_all_rows_down_to_the_last_one_taken(select):
    pool, vectors, queries = make()
    capped = run(select, {"rows": 30, "per_source": {"a": {"max_rows": 5}}}, pool, vectors, queries, seed=3)
    decisions = capped.decisions
    depth = decisions.filter("kept")["rank"].max()
    assert decisions.filter(pl.col("stage") == "source cap").height == depth - 30 > 0
    uncapped = run(select, {"rows": depth}, pool, vectors, queries, seed=3).selected
    expected = dict(uncapped.select("row_id", "weight").iter_rows())
    assert dict(capped.selected.select("row_id", "weight").iter_rows()).items() <= expected.items()
