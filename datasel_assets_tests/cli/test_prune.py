"""Deleting on the command line; what is deleted is tested with the main job."""

from pathlib import Path

from datasel_assets.storage.lake import Lake


def test_a_rehearsal_lists_what_would_go_and_deletes_nothing(datasel, changeable: Path):
    lake = Lake(changeable / "warehouse")
    before = lake.tables()
    (changeable / "recipes" / "wordy.yaml").unlink()
    answer = datasel(changeable, "prune", "--dry-run")
    assert (answer.status, answer.err) == (0, "")
    assert "would delete selections/wordy\n" in answer.out
    assert lake.tables() == before
    said = datasel(changeable, "prune").out
    assert said == answer.out.replace("would delete", "deleted")
    assert ("selections", "wordy") not in lake.tables()
    assert datasel(changeable, "prune").out == "nothing to prune\n"


def test_nothing_is_deleted_while_a_file_cannot_be_read(datasel, changeable: Path):
    (changeable / "sources" / "sums.yaml").write_text("uri: [\n")
    answer = datasel(changeable, "prune")
    assert answer.status == 2
    assert "nothing is deleted while a file cannot be read" in answer.err
