import re

import pytest
from pydantic import ValidationError

from datasel_assets.specs.encoder import EncoderSpec


def test_the_slug_names_what_differs_from_the_defaults():
    assert EncoderSpec().slug == "all_minilm_l6_v2_t512_weighted_mean"
    spec = EncoderSpec(
        model="Qwen/Qwen3-0.6B",
        revision="refs/pr/1",
        max_tokens=2048,
        pooling="last",
        template="tulu",
        precision="float32",
    )
    assert spec.slug == "qwen3_0_6b_t2048_last_tulu_float32_rrefs_pr_1"


@pytest.mark.parametrize("model", ["./models/My Model/", "~/m", "owner/UPPER.case-1", "é/ü x"])
def test_the_slug_is_safe_as_a_key_and_a_file_name(model):
    assert re.fullmatch(r"[a-z0-9_]+", EncoderSpec(model=model).slug)


def test_the_identity_holds_everything_but_the_layers():
    assert EncoderSpec(layers=[1, 2]).identity() == EncoderSpec().identity()
    changes = {
        "model": "other",
        "revision": "v2",
        "max_tokens": 128,
        "pooling": "mean",
        "precision": "float32",
        "template": "tulu",
    }
    assert set(changes) == set(EncoderSpec().identity())
    for key, value in changes.items():
        assert EncoderSpec(**{key: value}).identity() != EncoderSpec().identity()


@pytest.mark.parametrize(
    ("layers", "resolved"),
    [("all", (0, 1, 2, 3)), ("last", (3,)), ([-1], (3,)), ([2, 0], (0, 2)), ([-4], (0,)), ([3], (3,))],
)
def test_layers_count_from_the_embeddings_to_the_output(layers, resolved):
    assert EncoderSpec(layers=layers).resolve_layers(3) == resolved


@pytest.mark.parametrize("layers", [[4], [-5]])
def test_layers_outside_the_model_are_refused_with_the_range(layers):
    with pytest.raises(ValueError, match=r"from 0 to 3, or from -4 to -1"):
        EncoderSpec(layers=layers).resolve_layers(3)


def test_one_layer_named_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        EncoderSpec(layers=[-1, 3]).resolve_layers(3)


@pytest.mark.parametrize(
    "values",
    [{"layers": []}, {"layers": [1, 1]}, {"layers": "first"}, {"max_tokens": 0}, {"poolling": "mean"}, {"model": ""}],
)
def test_a_spec_that_says_nothing_sensible_is_refused(values):
    with pytest.raises(ValidationError):
        EncoderSpec(**values)
