"""Loops compiled by numba."""

import pytest

from datasel_assets import compiled


def test_a_machine_without_a_folder_for_machine_code_compiles_each_time(monkeypatch: pytest.MonkeyPatch):
    def njit(cache: bool = False, nogil: bool = False, fastmath: bool = False):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (function, nogil)

    monkeypatch.setattr(compiled, "njit", njit)
    assert compiled.compiled(len) == (len, True)
