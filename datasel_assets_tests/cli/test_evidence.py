"""What ``datasel evidence`` asks for before it trains anything."""

from pathlib import Path

from datasel_assets_tests.pools import CAUSAL, TINY, write_yaml


def add_proxy(data: Path) -> None:
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY})


def test_a_recipe_that_is_not_there_is_named(datasel, untouched: Path):
    add_proxy(untouched)
    answer = datasel(untouched, "evidence", "no_such")
    assert answer.status == 2
    assert "there is no recipe 'no_such' to evaluate" in answer.err


def test_it_says_what_it_lacks(datasel, untouched: Path):
    answer = datasel(untouched, "evidence", "random")
    assert answer.status == 2
    assert "no file in language_models/ says 'causal: {model: local:proxy_lm}'" in answer.err
    add_proxy(untouched)
    for named in (["random"], []):
        answer = datasel(untouched, "evidence", *named)
        assert answer.status == 2
        assert "nothing has been selected yet by" in answer.err
        assert "random" in answer.err
        assert f"run this first: datasel --data {untouched} run" in answer.err
    write_yaml(untouched / "proxy_eval.yaml", {"model": "nothing"})
    answer = datasel(untouched, "evidence")
    assert answer.status == 2
    assert "'nothing' is not a proxy" in answer.err
