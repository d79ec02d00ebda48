"""Each rule between registry files by itself, on files that break it and on files that keep it."""

from typing import Any

import pytest

from datasel_assets.registry import rules
from datasel_assets.registry.load import CONTROL_ARMS, FILES, FOLDERS, load_registry
from datasel_assets.registry.registry import CANDIDATES, Registry
from datasel_assets.specs.defaults import DefaultsSpec
from datasel_assets_tests.pools import small_pool, write_yaml

INLINE = {"examples": [{"prompt": "1 + 1", "response": "2"}]}
RECIPE = {"paper": "baseline", "select": {"sampler": "random"}, "budget": {"rows": 3}}
BLEND = {"how": "sum", "inputs": [{"score": "n_chars"}]}
PROXY: dict[str, Any] = {"doc": "trained on the pool"}
CLUSTERED = {"clusters": {"k": 4}}


def registry(**folders: Any) -> Registry:
    """A registry of documents: folder -> name -> document, or the document of a single file."""
    fields: dict[str, Any] = {"duplicates": FILES["duplicates.yaml"](), "proxy_eval": FILES["proxy_eval.yaml"]()}
    for folder, documents in folders.items():
        model = FOLDERS.get(folder) or FILES[f"{folder}.yaml"]
        if f"{folder}.yaml" in FILES:
            fields[folder] = model.model_validate(documents)
            continue
        chosen = {name: model if isinstance(model, type) else model(found) for name, found in documents.items()}
        fields[folder] = {name: chosen[name].model_validate(found) for name, found in documents.items()}
    return Registry(**fields)


def test_every_folder_and_file_has_a_field_of_the_registry():
    assert {*FOLDERS, *(file.removesuffix(".yaml") for file in FILES)} <= set(Registry.__dataclass_fields__)
    assert set(DefaultsSpec.model_fields) == {*CANDIDATES, "comparison"}


def test_what_keeps_every_rule_breaks_none(tmp_path):
    found = load_registry(small_pool(tmp_path))
    assert found.errors == {}
    assert {rule.__name__: dict(rule(found)) for rule in rules.RULES} == {rule.__name__: {} for rule in rules.RULES}


def test_what_goes_with_a_broken_file_is_reported_to_the_end_of_the_chain(tmp_path):
    data = small_pool(tmp_path)
    judge = {"ask": "humpback", "provider": {"endpoint": "http://127.0.0.1:9/v1", "model": "judge"}}
    by = {**RECIPE, "select": {"sampler": "topk", "by": "absent.score"}}
    for number in range(3):
        write_yaml(data / "recipes" / f"r{number}.yaml", by)
        write_yaml(data / "answers" / f"asked{number}.yaml", {**judge, "rows": {"recipe": f"r{number}"}})
        by = {**RECIPE, "select": {"sampler": "topk", "by": f"asked{number}.score"}}
    chain = {f"{file}{number}.yaml" for file in ("recipes/r", "answers/asked") for number in range(3)}
    assert set(load_registry(data).errors) == chain


@pytest.mark.parametrize(
    ("folder", "document"),
    [("targets", INLINE), ("representations", {}), ("tags", {}), ("recipes", RECIPE), ("scores", BLEND)],
)
def test_names_collide_where_only_the_dash_differs(folder, document):
    found = rules.names_collide(registry(**{folder: dict.fromkeys(("a-b", "a_b", "ab"), document)}))
    assert list(found) == [f"{folder}/a_b.yaml"]
    assert "differs from another file only in '-' and '_'" in found[f"{folder}/a_b.yaml"]


def test_sources_may_have_any_names_because_they_are_partitions():
    assert rules.names_collide(registry(sources={name: {"uri": "x.jsonl"} for name in ("a-b", "a_b")})) == {}


def test_encoders_share_a_table_where_only_the_owner_differs():
    files = {name: {"encoder": {"model": model}} for name, model in (("one", "a/minilm"), ("two", "b/minilm"))}
    found = rules.encoders_share_a_table(registry(representations={**files, "again": files["one"]}))
    assert list(found) == ["representations/two.yaml"]
    assert "'b/minilm' would share its table" in found["representations/two.yaml"]


def test_evaluations_compare_by_a_representation_that_is_there():
    evaluation = {"uri": "x.jsonl", "embedding": {"representation": "near"}}
    found = rules.evaluations_compare_by_a_representation(registry(evaluations={"bench": evaluation}))
    assert "representations/near.yaml is absent or broken" in found["evaluations/bench.yaml"]
    there = registry(evaluations={"bench": evaluation}, representations={"near": {}})
    assert rules.evaluations_compare_by_a_representation(there) == {}


def test_files_have_a_family_of_their_own():
    found = rules.files_have_a_family_of_their_own(registry(language_models={"text": PROXY, "mine": PROXY}))
    assert list(found) == ["language_models/text.yaml"]


def test_proxy_evaluation_starts_from_a_proxy():
    models = {"mine": PROXY, "theirs": {"causal": {"model": "owner/model"}}}
    for wanted, problem in (("mine", None), ("theirs", "is not a proxy"), ("nobody", "there are: mine")):
        found = rules.proxy_evaluation_starts_from_a_proxy(
            registry(language_models=models, proxy_eval={"model": wanted})
        )
        assert problem in found["proxy_eval.yaml"] if problem else found == {}


def test_categories_read_what_is_there_and_are_named_like_no_group():
    good = {"representation": "near", "target": "seeds"}
    files = {"good": good, "blind": {**good, "representation": "nope"}, "source": good}
    found = rules.categories_read_what_is_there(
        registry(categories=files, representations={"near": {}}, targets={"seeds": INLINE})
    )
    assert sorted(found) == ["categories/blind.yaml", "categories/source.yaml"]


def test_scores_can_be_made_of_what_is_there_and_in_no_circle():
    files = {name: {**BLEND, "inputs": [{"score": score}]} for name, score in (("a", "blend.b"), ("b", "blend.a"))}
    files["lost"] = {"how": "dsir", "target": "nowhere"}
    files["fine"] = BLEND
    found = rules.scores_can_be_made(registry(scores=files))
    assert sorted(found) == ["scores/a.yaml", "scores/b.yaml", "scores/lost.yaml"]
    assert "in a circle" in found["scores/a.yaml"]
    assert "targets/nowhere.yaml is absent" in found["scores/lost.yaml"]


def test_duplicates_are_ranked_by_a_score_that_is_there():
    by = {"near": {"keep": "best_score", "score": "blend.nope"}}
    assert "no score 'blend.nope'" in rules.duplicates_are_ranked_by_a_score(registry(duplicates=by))["duplicates.yaml"]
    by["near"]["score"] = "text.response_words"
    assert rules.duplicates_are_ranked_by_a_score(registry(duplicates=by)) == {}


def test_recipes_read_what_is_there():
    files = {
        "plain": RECIPE,
        "balanced": {**RECIPE, "select": {"sampler": "stratify", "groups": "cluster"}},
        "sorted": {**RECIPE, "select": {"sampler": "stratify", "groups": "kinds"}},
        "spread": {**RECIPE, "select": {"sampler": "kcenter", "representation": "nope"}},
        "like": {**RECIPE, "drop": [{"when": "semantic_duplicate"}]},
        "rare": {**RECIPE, "select": {"sampler": "topk", "by": "neighbours.knn_distance"}},
    }
    found = rules.recipes_read_what_is_there(registry(recipes=files, representations={"near": {}}))
    assert sorted(found) == [f"recipes/{name}.yaml" for name in ("balanced", "like", "rare", "sorted", "spread")]
    assert "it needs clusters, but no file" in found["recipes/balanced.yaml"]
    assert "there are: cluster, source" in found["recipes/sorted.yaml"]
    assert "there are: near" in found["recipes/spread.yaml"]


def test_a_file_that_reads_a_refused_one_is_refused_in_turn(tmp_path):
    data = small_pool(tmp_path)
    write_yaml(data / "representations" / "wh-ite.yaml", {})
    write_yaml(data / "representations" / "wh_ite.yaml", {})
    select = {"sampler": "kcenter", "representation": "wh_ite"}
    write_yaml(data / "recipes" / "follows.yaml", {**RECIPE, "select": select})
    found = load_registry(data)
    assert set(found.errors) == {"representations/wh_ite.yaml", "recipes/follows.yaml"}
    assert set(CONTROL_ARMS) <= set(found.recipes)
