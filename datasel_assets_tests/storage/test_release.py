import errno
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from datasel_assets.storage.atomic import StorageFullError
from datasel_assets.storage.release import (
    Release,
    ReleaseDamagedError,
    latest_release,
    list_releases,
    read_manifest,
    write_release,
)
from datasel_assets.storage.release.trainers import BASE_MODEL, sequence_length

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
SPEC = {"doc": "uniform", "select": {"sampler": "random", "seed": 7}, "budget": {"rows": 4}}


def conversation(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]


CONVERSATIONS = [
    conversation(("user", "2+2?\u2028\u0085"), ("assistant", "4 — naïve\n")),
    conversation(("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")),
    conversation(("user", "time?"), ("assistant", '[{"name": "clock"}]'), ("tool", "noon"), ("assistant", "noon")),
    conversation(("assistant", "plain text")),
]


def selected() -> pl.DataFrame:
    """Four rows in no particular order, with one column more than required."""
    return pl.DataFrame(
        {
            "row_id": ["r2", "r0", "r3", "r1"],
            "source": ["tools", "maths", "web", "maths"],
            "messages": pl.Series([CONVERSATIONS[i] for i in (2, 0, 3, 1)], dtype=MESSAGES),
            "prompt": ["", "", "", ""],
            "response": ["", "", "", ""],
            "rank": pl.Series([2, 0, 3, 1], dtype=pl.Int64),
            "score": pl.Series([0.5, 0.9, None, float("nan")], dtype=pl.Float32),
            "n_tokens": pl.Series([20, 10, None, 700], dtype=pl.Int32),
            "n_response_tokens": pl.Series([8, 4, None, 6], dtype=pl.Int32),
            "extra": ["{}", "{}", "{}", "{}"],
            "weight": [1.0, 1.0, 1.0, 1.0],
        }
    )


def release(root: Path, rows: pl.DataFrame | None = None, **changes: object) -> Release:
    arguments: dict = {
        "spec": SPEC,
        "formats": ["messages", "alpaca", "sharegpt"],
        "inputs": {"corpus/maths": "v1"},
        "sources": {
            "maths": {"licence": "MIT", "uri": "/home/me/maths.jsonl", "doc": "sums"},
            "tools": {"licence": "CC-BY-NC-4.0", "uri": "hf://x/y", "doc": None},
        },
        "versions": {"datasel_assets": "0.1.0"},
        "reproduce": "make run",
        "pool_rows": 100,
        "report_html": b"<p>report</p>",
        **changes,
    }
    return write_release(root, "random", selected() if rows is None else rows, **arguments)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release that no test changes."""
    return release(tmp_path_factory.mktemp("releases"))


class TestFiles:
    def test_train_jsonl_holds_the_messages_in_the_order_of_the_ranks(self, published):
        text = (published.path / "train.jsonl").read_text(encoding="utf-8")
        assert [json.loads(line) for line in text.splitlines()] == [{"messages": m} for m in CONVERSATIONS]

    def test_polars_reads_train_jsonl(self, published):
        frame = pl.read_ndjson(published.path / "train.jsonl")
        assert frame["messages"].to_list() == CONVERSATIONS

    def test_train_parquet_adds_where_rows_are_from_and_how_they_scored(self, published):
        frame = pl.read_parquet(published.path / "train.parquet")
        assert frame.columns == [
            *("row_id", "source", "messages", "rank", "score", "n_tokens", "n_response_tokens", "extra", "weight")
        ]
        assert frame["row_id"].to_list() == ["r0", "r1", "r2", "r3"]
        assert frame["messages"].to_list() == CONVERSATIONS
        assert frame["score"].is_nan().to_list() == [False, True, False, None]

    def test_train_parquet_has_the_ordinary_arrow_types(self, published):
        schema = pq.read_schema(published.path / "train.parquet")
        assert "large" not in str(schema.types)

    def test_alpaca_leaves_out_what_it_cannot_hold_and_says_so(self, published):
        rows = json.loads((published.path / "alpaca.json").read_text(encoding="utf-8"))
        assert [row["output"] for row in rows] == ["4 — naïve\n", "d"]
        assert rows[1]["history"] == [["a", "b"]]
        assert rows[1]["system"] == "Be brief."
        assert read_manifest(published.path)["not_expressible"]["alpaca"] == {
            "alpaca has no tool messages": ["r2"],
            "alpaca needs turns that alternate between user and assistant": ["r3"],
        }

    def test_alpaca_is_left_out_altogether_when_no_row_fits(self, tmp_path):
        made = release(tmp_path, selected().filter(pl.col("row_id") == "r3"))
        assert "alpaca.json" not in made.files
        assert "alpaca" not in (made.path / "configs/llamafactory/dataset_info.json").read_text()

    def test_sharegpt_holds_every_row(self, published):
        lines = (published.path / "sharegpt.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["conversations"][-1]["value"] for line in lines] == [
            "4 — naïve\n",
            "d",
            "noon",
            "plain text",
        ]

    def test_only_the_wanted_formats_are_written(self, tmp_path):
        made = release(tmp_path, formats=["messages"])
        assert {name for name in made.files if "/" not in name} == {
            *("LICENSE.md", "README.md", "report.html", "train.jsonl", "train.parquet")
        }

    def test_the_licence_file_is_only_there_when_the_card_refers_to_it(self, tmp_path):
        made = release(tmp_path, selected().filter(pl.col("source") == "maths"))
        assert "LICENSE.md" not in made.files
        assert "license: mit" in (made.path / "README.md").read_text(encoding="utf-8")


class TestManifest:
    def test_it_has_the_hash_of_every_file_but_itself(self, published):
        import hashlib

        expected = {name: hashlib.sha256(data).hexdigest() for name, data in contents(published.path).items()}
        del expected["manifest.json"]
        assert published.files == expected
        assert {name: entry["sha256"] for name, entry in read_manifest(published.path)["files"].items()} == expected

    def test_it_says_what_the_release_was_made_from(self, published):
        manifest = read_manifest(published.path)
        assert manifest["inputs"] == {"corpus/maths": "v1"}
        assert manifest["spec"] == SPEC
        assert manifest["seeds"] == {"select.seed": 7}
        assert manifest["versions"] == {"datasel_assets": "0.1.0"}
        assert manifest["reproduce"] == "make run"
        assert (manifest["rows"], manifest["pool_rows"]) == (4, 100)
        assert manifest["tokens"] == {"total": 730, "response": 18, "longest": 700, "rows_without_count": 1}
        assert manifest["sources"]["maths"]["rows"] == 2
        assert manifest["sources"]["web"]["licence"] == "unknown"
        assert manifest["non_commercial"] == ["tools"]

    def test_it_does_not_tell_where_the_sources_lie_on_this_machine(self, published):
        assert all(b"/home/me" not in data for data in contents(published.path).values())

    def test_a_folder_without_a_manifest_is_not_a_release(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="is not a release"):
            read_manifest(tmp_path)

    @pytest.mark.parametrize("text", ["{", "[]", '{"recipe": "x"}'])
    def test_a_broken_manifest_is_named(self, tmp_path, text):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ReleaseDamagedError, match=r"manifest\.json"):
            read_manifest(tmp_path)


class TestTrainerConfigs:
    def test_the_trl_config_reads_train_jsonl(self, published):
        config = yaml.safe_load((published.path / "configs/trl_sft.yaml").read_text())
        (dataset,) = config["datasets"]
        assert (published.path / dataset["data_files"]).is_file()
        assert dataset["path"] == "json"
        assert isinstance(config["learning_rate"], float)
        assert config["max_length"] == 1024

    def test_the_axolotl_config_reads_train_jsonl(self, published):
        config = yaml.safe_load((published.path / "configs/axolotl.yaml").read_text())
        (dataset,) = config["datasets"]
        assert (published.path / dataset["path"]).is_file()
        first = json.loads((published.path / dataset["path"]).read_text(encoding="utf-8").split("\n")[0])
        turn = first[dataset["field_messages"]][0]
        assert set(dataset["message_property_mappings"].values()) == set(turn)

    def test_llamafactory_finds_its_datasets(self, published):
        config = yaml.safe_load((published.path / "configs/llamafactory/train.yaml").read_text())
        folder = published.path / config["dataset_dir"]
        datasets = json.loads((folder / "dataset_info.json").read_text())
        assert config["dataset"] in datasets
        assert set(datasets) == {"random", "random_alpaca", "random_sharegpt"}
        for entry in datasets.values():
            assert (folder / entry["file_name"]).is_file()

    def test_the_columns_that_llamafactory_is_told_of_exist(self, published):
        folder = published.path / "configs/llamafactory"
        for entry in json.loads((folder / "dataset_info.json").read_text()).values():
            text = (folder / entry["file_name"]).read_text(encoding="utf-8")
            first = json.loads(text)[0] if entry["file_name"].endswith(".json") else json.loads(text.split("\n")[0])
            assert set(entry["columns"].values()) <= set(first)
            for turn in first.get("messages", []):
                assert {entry["tags"]["role_tag"], entry["tags"]["content_tag"]} == set(turn)

    def test_all_trainers_train_the_same_model_for_the_same_number_of_epochs(self, published):
        configs = [
            yaml.safe_load((published.path / name).read_text())
            for name in ("configs/trl_sft.yaml", "configs/axolotl.yaml", "configs/llamafactory/train.yaml")
        ]
        assert {c.get("model_name_or_path") or c["base_model"] for c in configs} == {BASE_MODEL}
        assert len({c.get("num_train_epochs") or c["num_epochs"] for c in configs}) == 1
        assert len({c["learning_rate"] for c in configs}) == 1

    def test_the_card_names_commands_whose_config_files_exist(self, published):
        text = (published.path / "README.md").read_text(encoding="utf-8")
        commands = re.findall(r"^- [\w-]+: `(.+)`$", text, re.MULTILINE)
        assert len(commands) == 3
        for command in commands:
            assert (published.path / command.split()[-1]).is_file()

    @pytest.mark.parametrize(
        ("longest", "length"), [(None, 2048), (1, 512), (409, 512), (410, 1024), (1700, 4096), (10**6, 8192)]
    )
    def test_the_sequence_length_holds_the_longest_row_with_a_quarter_to_spare(self, longest, length):
        assert sequence_length(longest) == length


class TestVersions:
    def test_the_same_rows_give_the_same_bytes_and_version_whatever_their_order(self, published, tmp_path):
        shuffled = pl.concat([selected().reverse()[:1], selected().reverse()[1:]], rechunk=False)
        made = release(tmp_path, shuffled.select(sorted(shuffled.columns)))
        assert made.version == published.version
        ours, theirs = contents(made.path), contents(published.path)
        del ours["manifest.json"], theirs["manifest.json"]
        assert ours == theirs

    def test_releasing_the_same_content_again_touches_nothing(self, tmp_path):
        first = release(tmp_path)
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
        again = release(tmp_path, inputs={"corpus/maths": "v2"}, versions={"datasel_assets": "9"}, report_html=None)
        assert first.created
        assert not again.created
        assert again.files == first.files
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before

    @pytest.mark.parametrize(
        "change",
        [
            {"rows": selected().head(3)},
            {"rows": selected().with_columns(rank=3 - pl.col("rank"))},
            {"spec": {**SPEC, "budget": {"rows": 5}}},
            {"formats": ["messages"]},
            {"sources": {"maths": {"licence": "CC-BY-4.0"}}},
        ],
        ids=["rows", "order", "recipe", "formats", "licence"],
    )
    def test_other_content_is_another_version(self, published, tmp_path, change):
        made = release(tmp_path, **change)
        assert made.version != published.version
        assert re.fullmatch("[0-9a-f]{12}", made.version)

    def test_latest_names_the_newest_release_and_goes_back_when_the_content_does(self, tmp_path):
        first, second = release(tmp_path), release(tmp_path, selected().head(2))
        latest = tmp_path / "random" / "latest"
        assert str(latest.readlink()) == second.version  # relative, so that the folder may be moved
        assert pl.read_parquet(latest / "train.parquet").height == 2
        assert latest_release(tmp_path, "random").version == second.version
        release(tmp_path)
        assert latest_release(tmp_path, "random").version == first.version

    def test_latest_is_a_copy_where_there_are_no_links_and_changes_into_a_link_where_there_are(
        self, tmp_path, monkeypatch
    ):
        def no_links(self: Path, target: object, target_is_directory: bool = False) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        latest = tmp_path / "random" / "latest"
        with monkeypatch.context() as patch:
            patch.setattr(Path, "symlink_to", no_links)
            for rows in (selected(), selected().head(2), selected().head(2)):
                made = release(tmp_path, rows)
                assert not latest.is_symlink()
                assert contents(latest) == contents(made.path)
                assert latest_release(tmp_path, "random").path == made.path
            assert len(list_releases(tmp_path)) == 2
        third = release(tmp_path, selected().head(3))
        assert str(latest.readlink()) == third.version
        assert not list((tmp_path / "random").glob(".*"))

    def test_a_text_file_of_former_times_names_the_latest_release_until_the_next_one(self, tmp_path):
        first = release(tmp_path)
        latest = tmp_path / "random" / "latest"
        latest.unlink()
        latest.write_text(first.version + "\n")
        assert latest_release(tmp_path, "random").version == first.version
        assert list_releases(tmp_path) == [latest_release(tmp_path, "random")]
        release(tmp_path)
        assert str(latest.readlink()) == first.version

    def test_a_folder_of_somebody_else_with_the_name_latest_is_not_removed(self, tmp_path):
        mine = tmp_path / "random" / "latest" / "notes.txt"
        mine.parent.mkdir(parents=True)
        mine.write_text("keep")
        with pytest.raises(ReleaseDamagedError, match="stands in the way"):
            release(tmp_path)
        assert mine.read_text() == "keep"

    def test_there_is_no_latest_release_before_the_first(self, tmp_path):
        assert latest_release(tmp_path, "random") is None

    def test_releases_are_listed_by_recipe_and_age(self, tmp_path):
        first, second = release(tmp_path), release(tmp_path, selected().head(2))
        (tmp_path / "random" / ".building-1-x").mkdir()
        (tmp_path / "notes").mkdir()
        assert [r.version for r in list_releases(tmp_path)] == [first.version, second.version]
        assert list_releases(tmp_path, "random")[0].files == first.files
        assert list_releases(tmp_path, "longest") == []
        assert list_releases(tmp_path / "absent") == []


class TestRefusals:
    @pytest.mark.parametrize("recipe", ["../up", "a/b", "", "Ünï", ".hidden"])
    def test_a_recipe_name_with_path_parts_is_refused(self, tmp_path, recipe):
        with pytest.raises(ValueError, match="is not a valid name"):
            write_release(
                *(tmp_path / "releases", recipe, selected()),
                **{"spec": {}, "inputs": {}, "sources": {}, "versions": {}, "reproduce": ""},
            )
        assert list(tmp_path.iterdir()) == []

    def test_no_rows_no_release(self, tmp_path):
        with pytest.raises(ValueError, match="selected no rows"):
            release(tmp_path, selected().clear())

    def test_missing_columns_are_named(self, tmp_path):
        with pytest.raises(ValueError, match=r"lack the columns \['rank', 'score'\]"):
            release(tmp_path, selected().drop("score", "rank"))

    def test_repeated_ids_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="repeat a row_id"):
            release(tmp_path, pl.concat([selected(), selected()]))

    def test_an_unknown_format_is_refused_with_the_allowed_ones(self, tmp_path):
        with pytest.raises(ValueError, match=r"\['csv'\]: allowed are messages, alpaca, sharegpt"):
            release(tmp_path, formats=["csv"])

    @pytest.mark.parametrize("harm", ["edit", "delete", "manifest"])
    def test_a_damaged_release_is_reported_and_not_written_over(self, tmp_path, harm):
        made = release(tmp_path)
        file = made.path / ("manifest.json" if harm == "manifest" else "train.jsonl")
        if harm == "edit":
            file.write_bytes(file.read_bytes() + b"{}\n")
        else:
            file.unlink()
        before = contents(tmp_path)
        with pytest.raises(ReleaseDamagedError, match=file.name):
            release(tmp_path)
        assert contents(tmp_path) == before


class TestFailingWrites:
    @pytest.mark.parametrize(
        "step",
        [
            "data_files._write_parquet",
            "data_files._write_array",
            "write._write_about",
            "write.publish",
            "write.point_latest",
        ],
    )
    def test_a_full_disk_at_any_step_leaves_the_old_release_and_no_half_one(self, tmp_path, monkeypatch, step):
        old = release(tmp_path)
        before = contents(tmp_path)

        def full(*args: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(f"datasel_assets.storage.release.{step}", full)
            with pytest.raises(StorageFullError, match="no space left while writing a release"):
                release(tmp_path, selected().head(2))
        left = contents(tmp_path)
        assert {name: left[name] for name in before} == before
        assert latest_release(tmp_path, "random") is not None
        assert latest_release(tmp_path, "random").version == old.version
        assert not list((tmp_path / "random").glob(".*"))
        assert release(tmp_path, selected().head(2)).path.is_dir()  # and there is room again

    def test_a_file_size_limit_in_the_middle_of_a_file_leaves_nothing_behind(self, tmp_path):
        old = release(tmp_path)
        before = contents(tmp_path)
        code = (
            "import sys, pathlib, polars as pl\n"
            "from datasel_assets_tests.storage.test_release import release, selected\n"
            "rows = selected().with_columns(extra=pl.lit('x' * 200_000) + pl.col('row_id'))\n"
            "long = pl.col('messages').list.eval(pl.struct(\n"
            "    role=pl.element().struct.field('role'), content=pl.lit('y' * 60_000)))\n"
            "release(pathlib.Path(sys.argv[1]), rows.with_columns(messages=long))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )
        assert "File too large" in done.stderr
        assert contents(tmp_path) == before
        assert list_releases(tmp_path) == [Release(**{**vars(old), "created": False})]

    def test_leftovers_of_a_killed_process_are_swept(self, tmp_path):
        leftover = tmp_path / "random" / ".building-999999999-abc"
        leftover.mkdir(parents=True)
        (leftover / "train.jsonl").write_text("half")
        release(tmp_path)
        assert not leftover.exists()

    def test_another_release_under_way_is_not_swept(self, tmp_path):
        other = tmp_path / "random" / f".building-{os.getppid()}-abc"
        other.mkdir(parents=True)
        release(tmp_path)
        assert other.is_dir()

    def test_two_processes_may_release_the_same_content(self, tmp_path, monkeypatch):
        import datasel_assets.storage.release.write as module

        publish = module.publish

        def overtaken(folder: Path, final: Path) -> bool:
            monkeypatch.setattr(module, "publish", publish)
            assert release(tmp_path).created
            return publish(folder, final)

        monkeypatch.setattr(module, "publish", overtaken)
        assert not release(tmp_path).created
        assert len(list_releases(tmp_path)) == 1
        assert not list((tmp_path / "random").glob(".*"))
