"""Models of files as keys of caches."""

import pytest

from datasel_assets.models.proxy_tokenizer import SPECIAL
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.specs.proxy import SMALLEST
from datasel_assets.specs.tagger import TaggerSpec


@pytest.mark.parametrize("model", [EncoderSpec, CausalSpec, TaggerSpec])
def test_a_model_that_is_loaded_once_for_each_description_is_found_again_by_an_equal_one(model):
    one, same, other = (model.model_validate({"model": name}) for name in ("a/b", "a/b", "a/c"))
    assert {one: "loaded"}[same] == "loaded"
    assert other not in {one: "loaded"}


def test_the_smallest_vocabulary_of_a_proxy_is_the_bytes_and_the_marks_of_its_tokenizer():
    assert 256 + len(SPECIAL) == SMALLEST
