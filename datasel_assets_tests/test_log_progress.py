"""Progress as lines in the log of a step."""

import logging

from datasel_assets import progress


def test_a_line_of_progress_says_how_far_how_fast_how_long_yet_and_how_much_memory(monkeypatch, caplog):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    with caplog.at_level(logging.INFO), progress.log_progress(logging.getLogger("a step")):
        progress.report("embeddings sums", 10, 100)
        progress.report("embeddings sums", 30, 100)
    last = caplog.messages[-1]
    assert last.startswith("embeddings sums: 30/100 (30%), ")
    assert "ETA" in last
    assert last.endswith(" GB of memory")
