"""What a look at the sources calls for."""

from datasel_assets.tables.corpus.source_changes import list_sources, source_changes
from datasel_assets_tests.pools import add_source, rows
from datasel_assets_tests.project import Project


def test_new_changed_and_retired_sources_are_told_apart():
    listing = {"a": "1", "b": "2", "c": "1"}
    changes = source_changes(listing, {"torn"}, {"a": "1", "b": "1", "old": "9", "torn": "3"})
    assert changes.added == ("c",)
    assert changes.changed == ("b",)
    assert changes.retired == ("old",)
    assert changes.said == ["new: c", "changed: b", "gone: old"]


def test_a_source_whose_first_look_was_lost_is_refreshed():
    """After a restart without a cursor every known source is looked at once; unchanged tables then skip."""
    assert source_changes({"a": "1"}, (), {}).added == ("a",)


def test_other_rows_and_another_file_give_another_fingerprint_and_what_is_unchanged_the_same(project: Project):
    before, failures = list_sources(project.warehouse)
    assert failures == {}
    add_source(project.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    add_source(project.data, "sums", rows("sums", 40), licence="CC-BY-4.0")
    now, _ = list_sources(project.warehouse)
    assert {name for name in now if now[name] != before[name]} == {"fruit", "sums"}


def test_a_source_that_cannot_be_listed_is_told_and_not_gone(project: Project):
    (project.data / "sources" / "fruit.yaml").write_text("urii: files/fruit.jsonl\n")
    (project.data / "files" / "sums.jsonl").unlink()
    listing, failures = list_sources(project.warehouse)
    assert set(listing) == {"code"}
    assert set(failures) == {"fruit", "sums"}
    assert "did you mean" in failures["fruit"]
    assert "sums.jsonl" in failures["sums"]
