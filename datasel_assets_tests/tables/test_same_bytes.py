"""The same inputs give the same bytes in any folder, on any number of threads."""

from pathlib import Path

import pytest

from benchmarks.same_bytes import SETTINGS, compared
from datasel_assets_tests.pools import small_pool


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_number_of_threads_changes_a_table_or_a_release(tmp_path: Path):
    threads = {name: SETTINGS[name] for name in ("1 threads", "4 threads")}
    found = compared(small_pool(tmp_path / "data"), tmp_path, threads)
    assert list(found) == ["4 threads"]
    for files, others in found.values():
        assert files > 60
        assert others == []
