"""What a representation file may and may not say."""

import pytest
from pydantic import ValidationError

from datasel_assets.representations import needs_fit
from datasel_assets.specs.compress import CompressSpec


def test_an_option_of_another_method_is_an_error_that_names_both():
    with pytest.raises(ValidationError, match=r"alpha has no effect with method: rademacher"):
        CompressSpec(method="rademacher", alpha=0.5)


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="dimensions"):
        CompressSpec.model_validate({"method": "whiten", "dimensions": 3})


@pytest.mark.parametrize("bad", [{"dims": 0}, {"alpha": 1.5}, {"ridge": -1.0}])
def test_a_number_out_of_range_is_refused(bad):
    with pytest.raises(ValidationError):
        CompressSpec(method="whiten", **bad)


def test_zero_columns_per_layer_are_refused():
    with pytest.raises(ValidationError, match="dims_per_layer"):
        CompressSpec(method="rademacher", dims_per_layer=0)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (CompressSpec(), False),
        (CompressSpec(method="rademacher", layer_norm="l2"), False),
        (CompressSpec(method="rademacher", layer_norm="rms"), True),
        (CompressSpec(center=True), True),
        (CompressSpec(method="whiten"), True),
    ],
)
def test_only_methods_that_look_at_the_pool_need_a_fit(spec, expected):
    assert needs_fit(spec) is expected
