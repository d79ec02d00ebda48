"""Tiny models, one folder for each kind and session."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datasel_assets_tests.models.tiny import save_model


@pytest.fixture(autouse=True)
def what_a_test_leaves_is_not_searched_again() -> Iterator[None]:
    """Keep closing a model from looking for circles in what earlier tests have loaded, several times in a module."""
    yield
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``tiny_model("llama", chat=True)`` -> folder."""
    made: dict[object, Path] = {}

    def get(kind: str, **options: object) -> str:
        key = (kind, *sorted(options.items()))
        if key not in made:
            made[key] = save_model(kind, tmp_path_factory.mktemp(kind), **options)
        return str(made[key])

    return get
