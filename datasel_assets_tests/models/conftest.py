"""Tiny models, one folder for each kind and session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datasel_assets_tests.models.tiny import save_model


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
