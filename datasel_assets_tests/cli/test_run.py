"""The main job on the command line, on a real run history."""

from pathlib import Path

from datasel_assets_tests.pools import add_source, rows, write_yaml


def test_a_run_names_what_it_left_out_what_failed_and_where_things_are(datasel_process, tmp_path: Path):
    data = tmp_path / "[red]pool"
    add_source(data, "sums", rows("sums", 12))
    write_yaml(data / "sources" / "gone.yaml", {"uri": "files/[bold]gone.jsonl"})
    (data / "recipes").mkdir()
    (data / "recipes" / "typo.yaml").write_text("'[/red]': 3\n")
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
    for file in ("sources/gone.yaml", "recipes/typo.yaml"):
        (data / file).unlink()
    datasel_process(data, "run")
    again = datasel_process(data, "run")
    assert again.status == 0
    assert "nothing to do: all" in again.out
    assert (data / "warehouse" / "_dagster").is_dir()
