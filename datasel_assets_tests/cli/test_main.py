"""What all commands share: arguments, the data folder, how to type a command."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from datasel_assets import cli
from datasel_assets.cli.environment import command_line
from datasel_assets.settings import DAGSTER_VARIABLE, DATA_VARIABLE, DEFAULT_DATA, Settings, load_settings
from datasel_assets_tests.conftest import REPOSITORY

COMMANDS = (
    *(
        "run",
        "plan",
        "ui",
        "ask",
        "evidence",
        "rethreshold",
        "compare",
        "prune",
        "explain",
        "explore",
        "label",
        "crowd",
    ),
    *("init", "add", "check"),
)


def test_each_command_is_the_module_of_its_name_and_says_what_it_does_in_a_sentence(environment, capsys):
    assert [module.__name__ for module in cli.COMMANDS] == [f"datasel_assets.cli.{name}" for name in COMMANDS]
    for module in cli.COMMANDS:
        assert module.HELP[0].isupper()
        assert module.HELP.endswith(".")
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"{module.__name__.rpartition('.')[2]} {module.HELP}" in printed for module in cli.COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_speaks_to_users_and_not_to_who_writes_the_code(environment, capsys, command):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    told = capsys.readouterr().out
    assert "elong" not in told
    assert "Not here" not in told


def test_help_loads_nothing_that_is_slow_to_load():
    slow = {"dagster", "polars", "numpy", "pydantic", "yaml", "rich", "torch", "pyarrow"}
    code = f"import sys, datasel_assets.cli as c\ntry: c.main(['-h'])\nfinally: print({slow!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_script_and_the_module_are_the_same_command_line():
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        module, _, function = tomllib.load(file)["project"]["scripts"]["datasel"].partition(":")
    assert getattr(importlib.import_module(module), function) is cli.main
    done = subprocess.run([sys.executable, "-m", "datasel_assets", "-h"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: datasel ")


@pytest.mark.parametrize("place", [0, 1])
def test_the_option_data_may_stand_before_or_after_the_command_and_overrides_the_environment(
    untouched: Path, environment, monkeypatch, capsys, tmp_path: Path, place: int
):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "elsewhere"))
    arguments = ["explain", "random", "x"]
    assert cli.main([*arguments[:place], "--data", str(untouched), *arguments[place:]]) == 2
    assert f"nothing has been ingested yet; run this first: datasel --data {untouched} run" in capsys.readouterr().err


def test_a_data_folder_that_is_named_keeps_its_own_run_history(monkeypatch, tmp_path: Path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "a"))
    monkeypatch.setenv(DAGSTER_VARIABLE, str(tmp_path / "history"))
    assert load_settings() == Settings(
        tmp_path / "a", tmp_path / "a" / "warehouse", tmp_path / "a" / "releases", tmp_path / "history"
    )
    assert load_settings(tmp_path / "b") == Settings.at(tmp_path / "b")


def test_a_folder_that_is_no_data_folder_is_refused_with_what_to_do(datasel, tmp_path: Path):
    answer = datasel(tmp_path / "absent", "check")
    assert answer.status == 2
    assert f"{tmp_path / 'absent'} is not a folder: name a data folder with --data or DATASEL_DATA" in answer.err
    answer = datasel(tmp_path, "run")
    assert answer.status == 2
    assert answer.err.startswith(f"{tmp_path} has no folder sources/")
    assert answer.err.endswith("datasel init FOLDER\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["run"], ["compare", "random"], ["explain", "random", "x"], ["evidence"]])
def test_a_data_folder_without_a_source_is_one_message_that_says_what_to_write(datasel, tmp_path: Path, command):
    (tmp_path / "data" / "sources").mkdir(parents=True)
    (tmp_path / "data" / "sources" / "README.md").write_text("no source")
    answer = datasel(tmp_path / "data", *command)
    assert answer.status == 2
    assert answer.err.count("\n") == 1
    assert "has no source yet: write a file there, such as sources/mine.yaml" in answer.err
    assert answer.err.endswith(f"datasel --data {tmp_path / 'data'} {command[0]}\n")
    assert datasel(tmp_path / "data", "check").status == 0


def test_an_interrupt_ends_a_command_without_a_traceback(datasel, untouched: Path, monkeypatch):
    def interrupted(arguments, settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.check, "run", interrupted)
    answer = datasel(untouched, "check")
    assert answer.status == 130
    assert "finished work is kept" in answer.err


def test_a_command_to_type_names_the_data_folder_unless_it_is_the_default(monkeypatch, tmp_path: Path):
    other = Settings.at(tmp_path / "my [red] data")
    shown = f"'{tmp_path}/my [red] data'"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/datasel", "run"])
    assert command_line("ui", Settings.at(DEFAULT_DATA)) == "datasel ui"
    assert command_line("ui", other) == f"datasel --data {shown} ui"
    monkeypatch.setattr(sys, "argv", ["/repository/datasel_assets/__main__.py", "run"])
    assert command_line("ui", Settings.at(DEFAULT_DATA)) == "make ui"
    assert command_line("ui", other) == f"DATASEL_DATA={shown} make ui"
    assert command_line("check", other) == f"DATASEL_DATA={shown} python -m datasel_assets check"
