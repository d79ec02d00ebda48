"""Names of scores across files: what exists, what is missing, what goes in circles."""

import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.registry.score import score_order
from datasel_assets.specs.blend import BlendSpec

RECIPE = "paper: baseline\nselect: {{sampler: topk, by: {by}}}\nbudget: {{rows: 3}}\n"


@pytest.fixture
def data(tmp_path):
    for folder in ("sources", "scores", "recipes"):
        (tmp_path / folder).mkdir()
    return tmp_path


def blend_file(data, name, *scores):
    inputs = "".join(f"  - {{score: {score}}}\n" for score in scores)
    (data / "scores" / f"{name}.yaml").write_text(f"how: sum\ninputs:\n{inputs}")


def test_blends_are_scores_like_indicators(data):
    blend_file(data, "quality", "n_chars")
    (data / "recipes" / "best.yaml").write_text(RECIPE.format(by="blend.quality"))
    registry = load_registry(data)
    assert registry.errors == {}
    assert registry.score_keep()["blend.quality"] == "high"


def test_a_recipe_with_an_unknown_score_names_it_and_what_is_close(data):
    blend_file(data, "quality", "n_chars")
    (data / "recipes" / "best.yaml").write_text(RECIPE.format(by="blend.qualty"))
    message = load_registry(data).errors["recipes/best.yaml"]
    assert "no score 'blend.qualty'; did you mean 'blend.quality'?" in message


def test_a_family_that_does_not_exist_is_named_with_those_that_do(data):
    (data / "recipes" / "best.yaml").write_text(RECIPE.format(by="gpt.perplexity"))
    message = load_registry(data).errors["recipes/best.yaml"]
    assert "no family 'gpt'" in message
    assert "text" in message


def test_a_blend_of_a_broken_blend_is_broken_too_and_takes_no_other_down(data):
    blend_file(data, "a", "text.no_such_column")
    blend_file(data, "b", "blend.a")
    blend_file(data, "c", "n_chars")
    registry = load_registry(data)
    assert sorted(registry.errors) == ["scores/a.yaml", "scores/b.yaml"]
    assert sorted(registry.scores) == ["c"]


def test_blends_that_need_each_other_are_refused(data):
    blend_file(data, "a", "blend.b")
    blend_file(data, "b", "blend.a")
    errors = load_registry(data).errors
    assert any("in a circle" in message for message in errors.values())


def test_a_blend_comes_after_those_it_reads():
    specs = {
        name: BlendSpec.model_validate({"how": "sum", "inputs": [{"score": score}]})
        for name, score in (("a", "blend.b"), ("b", "blend.c"), ("c", "n_chars"))
    }
    assert score_order(specs) == ["c", "b", "a"]


def score_file(data, name, text):
    (data / "scores" / f"{name}.yaml").write_text(text)


def representation(data, name, more=""):
    (data / "representations").mkdir(exist_ok=True)
    (data / "representations" / f"{name}.yaml").write_text(f"compress: {{method: none}}\n{more}")


def test_each_kind_of_file_is_a_score_of_its_own_family_with_its_keep_sign(data):
    (data / "targets").mkdir()
    (data / "targets" / "sums.yaml").write_text("examples: [{prompt: 1 + 1, response: '2'}]\n")
    representation(data, "plain", "clusters: {k: 4}\n")
    score_file(data, "near", "how: dsir\ntarget: sums\n")
    score_file(data, "told", "how: predictability\nrepresentation: plain\nlabel: cluster\n")
    score_file(data, "felt", "how: sensitivity\nrepresentation: plain\nloss: text.response_ttr\n")
    blend_file(data, "all", "dsir.near", "predictability.told", "sensitivity.felt")
    registry = load_registry(data)
    assert registry.errors == {}
    keep = registry.score_keep()
    assert (keep["dsir.near"], keep["predictability.told"], keep["sensitivity.felt"]) == ("high", "low", "high")
    assert keep["blend.all"] == "high"
    assert score_order(registry.scores)[-1] == "all"
    assert set(keep.values()) <= {"high", "low", "mid"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("how: dsri\n", "how: 'dsri' is not allowed; did you mean 'dsir'? Allowed: sum,"),
        ("how: [dsir]\n", "how: ['dsir'] is not allowed"),
        ("doc: nothing\n", "how: this key is required. Allowed: sum,"),
        ("how: dsir\ntarget: code\n", "target: targets/code.yaml is absent or broken; there are: none"),
        ("how: dsir\ntarget: code\nbuckets: 0\n", "buckets: must be greater than or equal to 2"),
        ("how: predictability\nrepresentation: x\n", "representations/x.yaml is absent or broken; there are: bare"),
        ("how: predictability\nrepresentation: bare\nlabel: cluster\n", "label: cluster needs a file in"),
        ("how: predictability\nrepresentation: bare\nleave: 9\n", "'leave' goes with 'remove'"),
        ("how: sum\ninputs: [{score: neighbours.knn_distance}]\n", "in representations/ says 'neighbours: true'"),
        ("how: sensitivity\nrepresentation: bare\nloss: n_chars\n", "has no 'clusters:' block; those with one: none"),
    ],
)
def test_a_score_that_cannot_be_made_says_what_it_lacks(data, text, message):
    representation(data, "bare")
    score_file(data, "wrong", text)
    registry = load_registry(data)
    assert message in registry.errors["scores/wrong.yaml"]
    assert registry.scores == {}


def test_a_sensitivity_reads_a_loss_that_is_there_and_not_itself(data):
    representation(data, "plain", "clusters: {k: 4}\n")
    score_file(data, "felt", "how: sensitivity\nrepresentation: plain\nloss: proxy_lm.nll\n")
    assert "no family 'proxy_lm'" in load_registry(data).errors["scores/felt.yaml"]
    score_file(data, "felt", "how: sensitivity\nrepresentation: plain\nloss: sensitivity.felt\n")
    assert "in a circle: felt -> felt" in load_registry(data).errors["scores/felt.yaml"]


def test_no_language_model_takes_the_name_of_a_kind_of_score(data):
    (data / "language_models").mkdir()
    (data / "language_models" / "dsir.yaml").write_text("causal: {model: gpt2}\n")
    assert "belongs to another family" in load_registry(data).errors["language_models/dsir.yaml"]
