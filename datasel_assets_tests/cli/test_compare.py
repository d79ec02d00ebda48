"""Two versions of a recipe on the command line; the figures are tested in ``defs/test_release_versions.py``."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such"], "recipe 'no_such' has no release"),
        (["random"], "random has one version only"),
        (["longest", "0123"], "longest has no version '0123'"),
        (["longest", "a", "b", "c"], "at most two versions"),
    ],
)
def test_it_refuses_what_is_not_there(datasel, prepared, arguments, message):
    answer = datasel(prepared, "compare", *arguments)
    assert answer.status == 2
    assert message in answer.err
