"""Arrays of a step lie in memory or, when large, in a file that nobody can find."""

from pathlib import Path

import numpy as np
import pytest

from datasel_assets.storage import scratch


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_an_array_is_zero_and_can_be_filled_wherever_it_lies(tmp_path: Path, monkeypatch, limit: int):
    monkeypatch.setattr(scratch, "MAPPED_BYTES", limit)
    made = scratch.scratch_array(tmp_path, (5, 3), np.uint32)
    assert isinstance(made, np.memmap) == (limit == 0)
    assert (made.shape, made.dtype, made.any()) == ((5, 3), np.uint32, False)
    made[2] = 7
    assert made.sum() == 21
    assert list(tmp_path.iterdir()) == []
