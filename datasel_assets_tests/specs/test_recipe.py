import pytest
from pydantic import ValidationError

from datasel_assets.specs.recipe import Needs, RecipeSpec

UNCITED = {"select": {"sampler": "random"}, "budget": {"fraction": 0.035}}
PLAIN = {"paper": "baseline", "select": {"sampler": "random"}, "budget": {"fraction": 0.035}}
AIMED = {"sampler": "round_robin", "representation": "crds_w", "target": "arithmetic"}


def recipe(**changes) -> RecipeSpec:
    return RecipeSpec.model_validate({**PLAIN, **changes})


def test_the_recipe_of_the_design_page_is_accepted():
    spec = recipe(
        doc="CRDS-W toward grade-school maths",
        drop=[{"when": "duplicate"}, {"score": "response_chars", "below": 1}],
        select=AIMED,
    )
    assert spec.select.params.rule == "lose_turn"
    assert (spec.budget.kind, spec.budget.amount) == ("fraction", 0.035)
    assert spec.release.formats == ("messages",)
    assert spec.seed == 0


def test_a_sampler_parameter_stands_beside_the_other_keys():
    assert recipe(select={**AIMED, "rule": "advance"}).select.params.rule == "advance"
    stratify = {"sampler": "stratify", "groups": "source", "inner": {"sampler": "longest", "by": "n_chars"}}
    assert recipe(select=stratify).select.params.inner.params.by == "n_chars"


@pytest.mark.parametrize(
    "select",
    [{"sampler": "random"}, AIMED, {"sampler": "stratify", "groups": "cluster", "quota": "sqrt"}],
)
def test_what_is_written_out_reads_back_as_the_same_recipe(select):
    spec = recipe(select=select, drop=[{"source": ["a"]}], budget={"rows": 5, "per_source": {"a": {"min_rows": 1}}})
    assert RecipeSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert RecipeSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("select", "needs"),
    [
        ({"sampler": "random"}, Needs()),
        ({"sampler": "longest"}, Needs()),
        (AIMED, Needs(representations=frozenset({"crds_w"}), targets=frozenset({("crds_w", "arithmetic")}))),
        ({"sampler": "kcenter", "representation": "x"}, Needs(representations=frozenset({"x"}))),
        ({"sampler": "stratify", "groups": "source"}, Needs()),
        ({"sampler": "stratify", "groups": "cluster"}, Needs(clusters=True)),
        ({"sampler": "stratify", "groups": "laser"}, Needs(categories=frozenset({"laser"}))),
        (
            {"sampler": "stratify", "groups": "cluster", "representation": "x", "inner": {"sampler": "kcenter"}},
            Needs(representations=frozenset({"x"}), clusters=True),
        ),
        (
            {"sampler": "stratify", "groups": "source", "inner": {"sampler": "longest", "by": "n_turns"}},
            Needs(),
        ),
        ({"sampler": "topk", "by": "n_chars"}, Needs()),
        (
            {"sampler": "topk", "by": "text.response_mtld"},
            Needs(scores=frozenset({"text.response_mtld"})),
        ),
    ],
)
def test_a_recipe_needs_just_the_tables_it_reads(select, needs):
    assert recipe(select=select).requires() == needs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selct": 1}, "Extra inputs"),
        ({"paper": " "}, "where the method comes from"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": "1"}, "valid integer"),
        ({"select": {"sampler": "best"}}, "'best' is not known: allowed are band, "),
        ({"select": {}}, "no sampler is named"),
        ({"select": {"sampler": ["random"]}}, "not known"),
        ({"select": {"sampler": "random", "rule": "advance"}}, "unknown key 'rule' for sampler random: allowed are"),
        ({"select": {**AIMED, "rule": "turns"}}, "rule: must be 'lose_turn'"),
        ({"select": {"sampler": "round_robin", "target": "code"}}, "needs 'representation"),
        ({"select": {"sampler": "round_robin", "representation": "x"}}, "needs 'target"),
        ({"select": {"sampler": "random", "representation": "x"}}, "does not use 'representation'"),
        ({"select": {"sampler": "kcenter", "representation": "x", "target": "code"}}, "does not use 'target'"),
        ({"select": {"sampler": "stratify"}}, "needs 'groups"),
        ({"select": {"sampler": "stratify", "groups": "Topic A"}}, "'Topic A' is not a valid name"),
        ({"select": {"sampler": "kcenter", "representation": "../x"}}, "not a valid name"),
        ({"drop": [{"when": "old"}]}, "'duplicate'"),
        ({"drop": [{}]}, "exactly one of 'when', 'score', 'source', 'where'; found none"),
        ({"drop": [{"when": "duplicate", "source": ["a"]}]}, "found when and source"),
        ({"drop": [{"score": "quality", "below": 1}]}, "allowed are n_tokens, n_response_tokens.*<family>.<indicator>"),
        ({"drop": [{"score": "n_chars", "below_quantile": 1.5}]}, "less than or equal to 1"),
        ({"drop": [{"when": "duplicate", "missing": "drop"}]}, "'missing: drop' goes with 'score"),
        ({"select": {"sampler": "topk", "by": "quality"}}, "'quality' is not a score"),
        ({"select": {"sampler": "topk", "by": "text.x", "tau": -1}}, "tau: must be greater than or equal to 0"),
        ({"scores": {"q": {"how": "ols", "inputs": [{"score": "a.b"}], "outcomes": {"uri": "f"}}}}, "scores/q.yaml"),
        ({"scores": {"q": {"how": "sum", "inputs": [{"score": "blend.q"}]}}}, "made from itself"),
        ({"drop": [{"score": "n_chars"}]}, "needs 'below' or 'above'"),
        ({"drop": [{"when": "duplicate", "below": 1}]}, "'below' goes with 'score"),
        ({"drop": [{"source": []}]}, "at least one name"),
        ({"budget": {}}, "exactly one of rows, fraction, tokens, response_tokens; found none"),
        ({"budget": {"rows": 1, "tokens": 1}}, "found rows and tokens"),
        ({"budget": {"rows": 0}}, "greater than 0"),
        ({"budget": {"rows": True}}, "valid integer"),
        ({"budget": {"fraction": 3.5}}, "less than or equal to 1"),
        ({"budget": {"rows": 9, "per_source": {"a": {"min_rows": 3, "max_rows": 2}}}}, "min_rows 3 is larger"),
        ({"budget": {"rows": 9, "per_source": {"a": {"max_share": 0.1, "max_rows": 2}}}}, "not both"),
        ({"budget": {"tokens": 9, "per_source": {"a": {"max_share": 0.1}}}}, "does not fix the number of rows"),
        ({"release": {"formats": []}}, "at least one of messages, alpaca, sharegpt"),
        ({"release": {"formats": ["messages", "messages"]}}, "each once"),
        ({"release": {"formats": ["csv"]}}, "'messages', 'alpaca' or 'sharegpt'"),
    ],
)
def test_a_mistake_is_refused_with_what_is_allowed(changes, message):
    with pytest.raises(ValidationError, match=message):
        recipe(**changes)


def test_a_recipe_reads_the_inputs_of_its_own_blends_and_of_its_rules_but_not_the_blends_themselves():
    spec = recipe(
        select={"sampler": "topk", "by": "blend.both"},
        scores={"both": {"how": "sum", "inputs": [{"score": "text.a"}, {"score": "blend.shared"}]}},
        drop=[{"score": "lm.b", "below_quantile": 0.1}],
    )
    assert spec.requires().scores == {"text.a", "blend.shared", "lm.b"}
    assert spec.select.score == "blend.both"
    assert RecipeSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_recipe_of_ones_own_need_not_cite_anything():
    uncited = RecipeSpec.model_validate(UNCITED)
    assert uncited.paper == ""
    assert RecipeSpec.model_validate(uncited.model_dump(mode="json")) == uncited


def test_only_the_last_sampler_gives_weights():
    drawn = {"sampler": "topk", "by": "n_chars", "tau": 1, "weights": "unbiased"}
    inner = {"sampler": "stratify", "groups": "source", "inner": drawn}
    for select, how in ((drawn, "repeat"), (inner, "repeat"), ({"sampler": "random"}, None)):
        spec = RecipeSpec.model_validate(UNCITED | {"select": select, "release": {"weights": "repeat"}})
        assert spec.weights == how
