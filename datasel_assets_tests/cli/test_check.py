"""The registry files of a data folder, and what they name."""

from pathlib import Path

import pytest

from datasel_assets.models import resolve
from datasel_assets.registry.load import FILES, FOLDERS, load_registry
from datasel_assets.settings import DEFAULT_DATA
from datasel_assets_tests.pools import write_yaml


def lines(out: str) -> dict[str, str]:
    """File -> its line, for the files that are ok and for those that are wrong."""
    return {line.split()[1].rstrip(":"): line for line in out.splitlines() if line.startswith(("ok ", "wrong "))}


def files(data: Path) -> set[str]:
    return {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}


def test_the_shipped_files_are_all_right(datasel):
    answer = datasel(DEFAULT_DATA, "check")
    shipped = {file for folder in FOLDERS for file in files(DEFAULT_DATA) if file.startswith(f"{folder}/")}
    alone = {name for name in FILES if (DEFAULT_DATA / name).is_file()}
    shipped = {file for file in shipped if file.endswith(".yaml")} | alone
    assert set(lines(answer.out)) == shipped
    assert answer.out.splitlines()[-1] == f"all {len(shipped)} files can be used"
    assert (answer.status, answer.err) == (0, "")


def test_every_folder_of_the_registry_is_looked_at():
    registry = load_registry(DEFAULT_DATA, DEFAULT_DATA / "gallery")
    assert all(getattr(registry, folder) for folder in FOLDERS)
    folders = {path.name for path in DEFAULT_DATA.iterdir() if path.is_dir() and any(path.glob("*.yaml"))}
    assert folders - {"gallery"} <= set(FOLDERS)


def test_each_mistake_is_told_on_the_line_of_its_file_and_the_others_stay_ok(datasel, untouched: Path, monkeypatch):
    def unreachable(name: str, revision: str | None) -> list[str]:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(resolve, "_hub_listing", unreachable)
    (untouched / "recipes" / "typo.yaml").write_text("budgett: 3\n")
    (untouched / "sources" / "old.yml").write_text("uri: x\n")
    (untouched / "duplicates.yaml").write_text("near: {treshold: 0.5}\n")
    write_yaml(untouched / "sources" / "gone.yaml", {"uri": "files/[bold]gone.jsonl"})
    write_yaml(untouched / "evaluations" / "gone.yaml", {"uri": "files/*.parquet"})
    write_yaml(untouched / "language_models" / "absent.yaml", {"causal": {"model": "owner/absent"}})
    before = files(untouched)
    answer = datasel(untouched, "check")
    assert answer.status == 1
    found = lines(answer.out)
    wrong = {file: line for file, line in found.items() if line.startswith("wrong")}
    assert set(wrong) == {
        *("recipes/typo.yaml", "sources/old.yaml", "duplicates.yaml", "sources/gone.yaml"),
        *("evaluations/gone.yaml", "language_models/absent.yaml"),
    }
    assert "rename it to old.yaml" in wrong["sources/old.yaml"]
    assert "did you mean 'threshold'?" in wrong["duplicates.yaml"]
    assert f"{untouched}/files/[bold]gone.jsonl" in wrong["sources/gone.yaml"]
    assert "the pattern matches no file" in wrong["evaluations/gone.yaml"]
    assert "model 'owner/absent' was not found" in wrong["language_models/absent.yaml"]
    assert "no route to the hub" in answer.out
    assert "the key 'budgett' is not known" in answer.out
    assert found["sources/sums.yaml"].startswith("ok ")
    assert found["targets/adding.yaml"].endswith("written out")
    assert found["representations/white.yaml"].endswith("(bundled)")
    assert answer.out.splitlines()[-1] == f"{len(wrong)} of {len(found)} files cannot be used"
    assert files(untouched) == before


@pytest.mark.parametrize("where", ["checkpoint", "tagger"])
def test_a_model_that_stands_deeper_in_a_file_is_looked_for_too(datasel, untouched: Path, where: str):
    if where == "checkpoint":
        encoder = {"model": "./here"}
        (untouched / "here").mkdir()
        (untouched / "here" / "config.json").write_text("{}")
        (untouched / "here" / "model.safetensors").write_bytes(b"")
        spec = {"causal": encoder, "checkpoints": [{"model": "./there"}]}
        write_yaml(untouched / "language_models" / "deep.yaml", spec)
    else:
        write_yaml(untouched / "tags" / "deep.yaml", {"model": {"model": "./there"}})
    answer = datasel(untouched, "check")
    assert answer.status == 1
    (wrong,) = (line for line in lines(answer.out).values() if line.startswith("wrong"))
    assert "deep.yaml: model './there' was not found" in wrong


def test_each_mistake_is_told_with_its_line(datasel, untouched: Path):
    mistakes = {
        "a": ("# why\nselect: {sampler: random}\nbudget: {row: 3}\n", "line 3: budget: the key 'row' is not known"),
        "b": (
            "select:\n  sampler: topk\n  by: text.respons_words\nbudget: {rows: 3}\n",
            "line 3: there is no score 'text.respons_words'; did you mean 'text.response_words'?",
        ),
        "c": (
            "drop:\n- {when: duplicate}\n- where: n_tokens >\nselect: {sampler: random}\nbudget: {rows: 3}\n",
            "line 3: drop[1].where: syntax error",
        ),
        "d": ("select: {sampler: random}\nbudget: {rows: 3}\nbudget: {rows: 4}\n", "line 3: the key 'budget' is given"),
        "e": ("select: {sampler: random\n", "line 1: not valid YAML"),
    }
    for name, (text, _) in mistakes.items():
        (untouched / "recipes" / f"{name}.yaml").write_text(text)
    (untouched / "recipes" / "f.yaml").write_text("select: {sampler: random}\nbudgt: {rows: 3}\ndocs: x\n")
    found = datasel(untouched, "check").out
    assert [message for _, message in mistakes.values() if message not in found] == []
    assert "\n  - line 2: the key 'budgt' is not known; did you mean 'budget'?" in found
    assert "\n  - line 3: the key 'docs' is not known" in found
