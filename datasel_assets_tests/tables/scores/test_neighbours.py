"""The table of neighbours: what is compared when rows come, and that it is what a fresh one would be."""

import numpy as np

from datasel_assets_tests.pools import add_source, rows
from datasel_assets_tests.project import Project


def test_appended_rows_and_only_they_are_scored_and_compared(settled: Project):
    add_source(settled.data, "sums", rows("sums", 43))
    runs = settled.update()
    done = {(run["stage"], run["source"]): run for run in runs}
    assert done["scores/text", "sums"]["rows_new"] == 3
    assert done["scores/neighbours", None]["rows_new"] == 3
    assert ("scores/text", "code") not in done
    assert settled.warehouse.lake.scan(("neighbours",)).collect().height == 123


def test_neighbours_after_an_increment_are_those_of_a_pool_made_at_once(settled: Project, project: Project):
    add_source(settled.data, "sums", rows("sums", 45)[4:])
    settled.update()
    add_source(project.data, "sums", rows("sums", 45)[4:])
    project.update()
    grown, whole = (p.warehouse.lake.scan(("neighbours",)).collect() for p in (settled, project))
    assert grown["row_id"].to_list() == whole["row_id"].to_list()
    np.testing.assert_allclose(grown["distances"].to_numpy(), whole["distances"].to_numpy(), atol=2e-3)
