"""The main job on the command line, on a real run history."""

from pathlib import Path

import pytest

from datasel_assets import __version__
from datasel_assets_tests.pools import add_source, rows, write_yaml


def test_a_run_names_what_it_left_out_what_failed_and_where_things_are(datasel_process, tmp_path: Path):
    data = tmp_path / "[red]pool"
    add_source(data, "sums", rows("sums", 12))
    write_yaml(data / "sources" / "gone.yaml", {"uri": "files/[bold]gone.jsonl"})
    (data / "recipes").mkdir()
    (data / "recipes" / "typo.yaml").write_text("'[/red]': 3\n")
    for name in ("a", "b"):
        drop_all = {"drop": [{"score": "n_chars", "below": 10**6}], "select": {"sampler": "random"}}
        write_yaml(data / "recipes" / f"{name}.yaml", {**drop_all, "budget": {"rows": 2}})
    answer = datasel_process(data, "run")
    assert answer.status == 1
    said = answer.out
    assert said.startswith(f"datasel_assets main job over {data}\n")
    assert "left out recipes/typo.yaml:" in said
    assert "the key '[/red]' is not known" in said
    assert "failed gone (raw_corpus)" in said
    assert f"{data}/files/[bold]gone.jsonl: the pattern matches no file" in said
    assert "  done   sums " in said
    assert "?" not in said
    assert f"releases  {data}/releases" in said
    assert f"UI        datasel --data '{data}' ui, then http://127.0.0.1:3000" in said
    # Tables that failed alike share one message.
    assert said.count("no row is left of 12: drop rule 1 took the last 12") == 1
    assert "selections/a, selections/b: ValueError: no row is left of 12" in said


def test_a_folder_whose_only_source_cannot_be_read_is_one_message_and_no_failing_table(datasel, tmp_path: Path):
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "mine.yaml").write_text("{bad")
    answer = datasel(tmp_path, "run")
    assert answer.status == 1
    lines = answer.out.splitlines()
    assert lines[1].startswith("left out sources/mine.yaml: line 1: not valid YAML")
    assert lines[2:] == ["no source can be read: correct its file and run again"]


def test_a_run_is_held_to_the_recipe_that_it_names(datasel, datasel_process, tmp_path: Path):
    add_source(tmp_path, "sums", rows("sums", 12))
    for name in ("a", "b"):
        write_yaml(tmp_path / "recipes" / f"{name}.yaml", {"select": {"sampler": "random"}, "budget": {"rows": 2}})
    expected = datasel(tmp_path, "run", "--recipe", "a", "--dry-run").out
    assert "selections/a" in expected
    assert "selections/b" not in expected
    assert not (tmp_path / "warehouse" / "corpus").exists()
    assert datasel_process(tmp_path, "run", "--recipe", "a").status == 0
    made = {path.stem for path in (tmp_path / "warehouse" / "selections").glob("*.parquet")}
    assert made == {"a"}
    assert "nothing to do" in datasel(tmp_path, "run", "--recipe", "a", "--dry-run").out
    again = datasel_process(tmp_path, "run", "--recipe", "a")
    assert again.status == 0
    assert "nothing to do: all" in again.out
    assert (tmp_path / "warehouse" / "_dagster").is_dir()


def test_a_name_that_a_run_does_not_know_is_answered_with_those_there_are(datasel, untouched: Path):
    answer = datasel(untouched, "run", "--recipe", "randm")
    assert (answer.status, answer.out.count("\n")) == (2, 1)
    assert answer.err.startswith("recipes has no file randm.yaml; did you mean 'random'? There are: longest,")
    assert datasel(untouched, "run", "--source", "nobody", "--dry-run").status == 2


def test_the_version_is_said(datasel, capsys, untouched: Path):
    with pytest.raises(SystemExit) as stop:
        datasel(untouched, "--version")
    assert (stop.value.code, capsys.readouterr().out) == (0, f"datasel_assets {__version__}\n")
