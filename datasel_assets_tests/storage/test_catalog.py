import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasel_assets.corpus.tables import CORPUS_SCHEMA, messages_array
from datasel_assets.storage.atomic import StorageFullError
from datasel_assets.storage.catalog import (
    EXAMPLE_QUERIES,
    build_catalog,
    file_literal,
    identifier,
    literal,
    runs_frame,
)

SELECTED = {"random": ["a0", "a1", "b0"], "longest": ["a1", "b0", "b1"]}
LABELS = {"corpus": "source", "representations_crds-r": "source", "selections": "recipe", "decisions": "recipe"}
ROWS = ["a0", "a1", "a2", "b0", "b1"]
SOURCES = {"a": "arithmetic", "b": 'it\'s [b] "q"'}


def save(path: Path, table: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def corpus(source: str, ids: list[str]) -> pa.Table:
    frame = {
        "row_id": ids,
        "source": [source] * len(ids),
        "position": list(range(len(ids))),
        "messages": messages_array([[("user", "q"), ("assistant", "r")]] * len(ids)),
        "n_turns": [2] * len(ids),
        "prompt": [f"{row} asks " + "x" * 300 for row in ids],
        "response": ["short"] * len(ids),
        "n_chars": [2] * len(ids),
        "n_tokens": [7] * len(ids),
        "n_response_tokens": [3] * len(ids),
        "content_hash": ids,
        "extra": ["{}"] * len(ids),
        **dict.fromkeys(("tools", "untrained", "images"), [None] * len(ids)),
    }
    return pa.table(frame, schema=CORPUS_SCHEMA)


def decisions(kept: list[str]) -> pa.Table:
    return pa.table(
        {
            "row_id": ROWS,
            "kept": [row in kept for row in ROWS],
            "stage": ["budget"] * len(ROWS),
            "reason": ["chosen" if row in kept else "not chosen: the budget was used up" for row in ROWS],
        }
    )


@pytest.fixture
def lake(tmp_path: Path) -> dict[str, list[Path]]:
    """A small warehouse in a folder whose name is full of characters that SQL and glob patterns know."""
    root = tmp_path / "ware [house] 'x' *?"
    by_source = {name: [row for row in ROWS if row.startswith(key)] for key, name in SOURCES.items()}
    vectors = {
        name: pa.table(
            {
                "row_id": ids,
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2 * len(ids), np.float16)), 2),
            }
        )
        for name, ids in by_source.items()
    }
    return {
        "corpus": [save(root / "corpus" / f"{name}.parquet", corpus(name, ids)) for name, ids in by_source.items()],
        "representations_crds-r": [
            save(root / "representations" / "crds-r" / f"{name}.parquet", table) for name, table in vectors.items()
        ],
        "selections": [
            save(root / "selections" / f"{recipe}.parquet", pa.table({"row_id": ids, "rank": range(len(ids))}))
            for recipe, ids in SELECTED.items()
        ],
        "decisions": [
            save(root / "decisions" / f"{recipe}.parquet", decisions(ids)) for recipe, ids in SELECTED.items()
        ],
        "duplicates": [save(root / "duplicates.parquet", pa.table({"row_id": ["a2"], "duplicate_of": ["a0"]}))],
    }


def runs() -> pl.DataFrame:
    run = {"stage": "embeddings/minilm", "source": "arithmetic", "rows_new": 30, "rows_reused": 5, "at": 1.0}
    return runs_frame([{**run, "seconds": 2.0, "unknown": 1}, {**run, "seconds": 1.0, "cpu_seconds": 4}])


def ask(path: Path, sql: str) -> list[tuple]:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


def ask_elsewhere(path: Path, sql: str, folder: Path) -> str:
    """Ask from another process with another working folder, as the command line would."""
    code = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).execute(sys.argv[2]).fetchall())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), sql], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class TestViews:
    def test_every_row_of_every_file_is_there_with_its_source(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        info = build_catalog(path, lake, {}, labels=LABELS)
        assert ask(path, "SELECT source, count(*) FROM corpus GROUP BY ALL ORDER BY ALL") == [
            ("arithmetic", 3),
            ('it\'s [b] "q"', 2),
        ]
        assert info.bytes == path.stat().st_size

    def test_a_table_without_a_source_column_gets_it_from_the_file_name(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {}, labels=LABELS)
        rows = ask(path, 'SELECT row_id, source, vector FROM "representations_crds-r" ORDER BY row_id')
        assert rows[0] == ("a0", "arithmetic", [1.0, 1.0])
        assert rows[-1][:2] == ("b1", 'it\'s [b] "q"')

    def test_selections_and_decisions_carry_the_recipe_and_duplicates_carry_nothing_more(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {}, labels=LABELS)
        assert ask(path, "SELECT recipe, count(*) FROM selections GROUP BY ALL ORDER BY ALL") == [
            ("longest", 3),
            ("random", 3),
        ]
        assert ask(path, "SELECT DISTINCT recipe FROM decisions ORDER BY ALL") == [("longest",), ("random",)]
        assert ask(path, "SELECT * FROM duplicates") == [("a2", "a0")]

    @pytest.mark.parametrize(
        ("view", "label"),
        [("changes", "recipe"), ("proxy_eval", "recipe"), ("minhash", "source"), ("dsir_x", "source")],
    )
    def test_rows_of_different_files_can_be_told_apart(self, view, label, tmp_path):
        files = [save(tmp_path / f"{name}.parquet", pa.table({"row_id": ["a"]})) for name in ("one", "two")]
        build_catalog(tmp_path / "c.duckdb", {view: files}, {}, labels={view: label})
        assert ask(tmp_path / "c.duckdb", f"SELECT {label} FROM {view} ORDER BY ALL") == [("one",), ("two",)]

    def test_a_table_that_is_one_file_for_all_sources_gets_no_source(self, tmp_path):
        file = save(tmp_path / "arithmetic.parquet", pa.table({"n": [1]}))
        build_catalog(tmp_path / "c.duckdb", {"comparison": [file], "targets_x": [file]}, {})
        assert [row[0] for row in ask(tmp_path / "c.duckdb", "DESCRIBE comparison")] == ["n"]
        assert [row[0] for row in ask(tmp_path / "c.duckdb", "DESCRIBE targets_x")] == ["n"]

    def test_files_that_differ_in_columns_are_matched_by_name(self, tmp_path):
        old = save(tmp_path / "old.parquet", pa.table({"row_id": ["x"], "length": [1.0]}))
        new = save(tmp_path / "new.parquet", pa.table({"variety": [2.0], "row_id": ["y"]}))
        build_catalog(tmp_path / "c.duckdb", {"scores_text": [old, new]}, {})
        rows = ask(tmp_path / "c.duckdb", "SELECT row_id, length, variety FROM scores_text ORDER BY row_id")
        assert rows == [("x", 1.0, None), ("y", None, 2.0)]

    @pytest.mark.parametrize("name", ["a[b]", "a*", "a?", "it's", 'say "x"', "k=v", "a{b,c}", "-- ;", "ünï", "**"])
    def test_a_file_name_is_never_a_pattern(self, tmp_path, name):
        wanted = save(tmp_path / name / f"{name}.parquet", pa.table({"n": [1]}))
        save(tmp_path / "ab" / "ab.parquet", pa.table({"n": [2]}))
        build_catalog(tmp_path / "c.duckdb", {"scores_x": [wanted]}, {}, labels={"scores_x": "source"})
        assert ask(tmp_path / "c.duckdb", "SELECT source, n FROM scores_x") == [(name, 1)]

    def test_a_view_name_cannot_become_sql(self, tmp_path):
        name = 'x" AS SELECT 1; DROP TABLE kept; --'
        file = save(tmp_path / "f.parquet", pa.table({"n": [1]}))
        info = build_catalog(tmp_path / "c.duckdb", {name: [file]}, {"kept": pl.DataFrame({"n": [3]})})
        assert info.views == ("failed_rows", name)
        assert ask(tmp_path / "c.duckdb", f"SELECT n FROM {identifier(name)}") == [(1,)]
        assert ask(tmp_path / "c.duckdb", "SELECT n FROM kept") == [(3,)]

    def test_a_view_without_files_is_left_out_and_said_to_be(self, lake, tmp_path):
        info = build_catalog(tmp_path / "c.duckdb", {**lake, "scores_text": []}, {}, labels=LABELS)
        assert info.omitted["scores_text"] == "it has no files yet"
        assert "scores_text" not in info.views
        assert {"corpus", "duplicates"} <= set(info.views)

    def test_a_table_in_parts_is_one_view_of_all_its_rows_under_its_own_name(self, tmp_path):
        parts = [
            save(tmp_path / "corpus" / "sums.parts" / f"{name}.parquet", pa.table({"row_id": ids}))
            for name, ids in (("0f", ["a", "b"]), ("e1", ["c"]))
        ]
        whole = save(tmp_path / "corpus" / "code.parquet", pa.table({"row_id": ["d"]}))
        build_catalog(tmp_path / "c.duckdb", {"corpus": [*parts, whole]}, {}, labels={"corpus": "source"})
        rows = ask(tmp_path / "c.duckdb", "SELECT source, row_id FROM corpus ORDER BY row_id")
        assert rows == [("sums", "a"), ("sums", "b"), ("sums", "c"), ("code", "d")]

    def test_views_answer_in_another_process_and_folder(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {"runs": runs()}, labels=LABELS)
        (tmp_path / "elsewhere").mkdir()
        assert ask_elsewhere(path, "SELECT count(*) FROM why", tmp_path / "elsewhere") == "[(10,)]"

    def test_relative_paths_are_stored_absolute(self, tmp_path, monkeypatch):
        save(tmp_path / "f.parquet", pa.table({"n": [1]}))
        monkeypatch.chdir(tmp_path)
        build_catalog(Path("c.duckdb"), {"scores_x": [Path("f.parquet")]}, {})
        (tmp_path / "elsewhere").mkdir()
        answer = ask_elsewhere(tmp_path / "c.duckdb", "SELECT n FROM scores_x", tmp_path / "elsewhere")
        assert answer == "[(1,)]"

    def test_the_file_is_written_for_older_command_lines_too(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {"runs": runs()}, labels=LABELS)
        header = path.read_bytes()[:16]
        assert header[8:12] == b"DUCK"
        assert header[12] == 64  # the storage version that DuckDB 0.10 to 1.1 write


class TestSmallTables:
    def test_small_tables_are_copied_into_the_file(self, tmp_path):
        frame = pl.DataFrame({"recipe": ["random"], "rows": [3], "tags": [["a", "b"]], "note": ['it\'s\n"x"']})
        info = build_catalog(tmp_path / "c.duckdb", {}, {"recipes": frame})
        assert ask(tmp_path / "c.duckdb", "SELECT * FROM recipes") == [("random", 3, ["a", "b"], 'it\'s\n"x"')]
        assert info.tables == {"recipes": 1}

    def test_the_clock_of_a_run_becomes_a_time(self, tmp_path):
        build_catalog(tmp_path / "c.duckdb", {}, {"runs": runs_frame([{"at": 86400.5, "stage": "corpus"}, {}])})
        rows = ask(tmp_path / "c.duckdb", "SELECT finished_at::VARCHAR, stage FROM runs ORDER BY stage")
        assert rows == [("1970-01-02 00:00:00.5", "corpus"), (None, None)]

    def test_runs_have_all_columns_even_when_nothing_ran(self, tmp_path):
        build_catalog(tmp_path / "c.duckdb", {}, {"runs": runs_frame([])})
        assert ask(tmp_path / "c.duckdb", "SELECT stage, rows_per_second FROM stage_costs") == []

    @pytest.mark.parametrize(
        ("first", "second", "message"),
        [
            ("runs", "Runs", "ignores case"),
            ("corpus_x", "overlap", "makes 'overlap' itself"),
            ("corpus_x", "Failed_Rows", "makes 'Failed_Rows' itself"),
        ],
    )
    def test_names_that_sql_cannot_tell_apart_are_refused(self, tmp_path, first, second, message):
        frame = pl.DataFrame({"n": [1]})
        with pytest.raises(ValueError, match=message):
            build_catalog(tmp_path / "c.duckdb", {}, {first: frame, second: frame})


class TestConvenienceViews:
    @pytest.fixture
    def path(self, lake, tmp_path) -> Path:
        told = pa.table({"row_id": ["a2"], "failed": ["ValueError: too long"]})
        lake["scores_text"] = [save(tmp_path / "scores_text.parquet", told)]
        build_catalog(tmp_path / "c.duckdb", lake, {"runs": runs()}, labels=LABELS)
        return tmp_path / "c.duckdb"

    @pytest.mark.parametrize("question", EXAMPLE_QUERIES)
    def test_every_example_query_answers(self, path, question):
        assert ask(path, EXAMPLE_QUERIES[question])

    def test_why_shows_what_a_recipe_dropped_from_a_source(self, path):
        rows = ask(path, EXAMPLE_QUERIES["which rows of source arithmetic did recipe random drop, and why"])
        assert [(stage, reason, row_id) for stage, reason, row_id, *_ in rows] == [
            ("budget", "not chosen: the budget was used up", "a2")
        ]
        assert rows[0][3] == "a2 asks " + "x" * 192
        assert rows[0][4] == "short"

    def test_why_keeps_decisions_about_rows_that_have_left(self, lake, tmp_path):
        build_catalog(tmp_path / "c.duckdb", {**lake, "corpus": lake["corpus"][:1]}, {}, labels=LABELS)
        assert ask(tmp_path / "c.duckdb", "SELECT count(*), count(source) FROM why") == [(10, 6)]

    def test_overlap_counts_shared_rows_of_each_pair_once(self, path):
        shared = len(set(SELECTED["longest"]) & set(SELECTED["random"]))
        union = len(set(SELECTED["longest"]) | set(SELECTED["random"]))
        assert ask(path, "SELECT * FROM overlap") == [("longest", "random", 3, 3, shared, shared / union)]

    def test_recipes_without_a_common_row_overlap_by_zero(self, tmp_path):
        files = [save(tmp_path / f"{name}.parquet", pa.table({"row_id": [name], "rank": [0]})) for name in "xyz"]
        build_catalog(tmp_path / "c.duckdb", {"selections": files}, {}, labels={"selections": "recipe"})
        assert ask(tmp_path / "c.duckdb", "SELECT recipe_a, recipe_b, shared, jaccard FROM overlap ORDER BY ALL") == [
            ("x", "y", 0, 0.0),
            ("x", "z", 0, 0.0),
            ("y", "z", 0, 0.0),
        ]

    def test_stage_costs_are_rows_over_seconds(self, path):
        assert ask(path, "SELECT stage, runs, rows_new, seconds, rows_per_second, cpu_seconds FROM stage_costs") == [
            ("embeddings/minilm", 2, 60, 3.0, 20.0, 4.0)
        ]

    def test_a_view_whose_input_is_missing_is_named_as_omitted(self, lake, tmp_path):
        info = build_catalog(tmp_path / "c.duckdb", {"corpus": lake["corpus"]}, {})
        assert info.omitted == {
            "why": "it needs decisions",
            "overlap": "it needs selections",
            "stage_costs": "it needs runs",
        }


class TestFailedRows:
    ASKED = 'SELECT source, "table", row_id, reason FROM failed_rows ORDER BY ALL'

    def test_without_a_failure_there_are_none(self, lake, tmp_path):
        info = build_catalog(tmp_path / "c.duckdb", lake, {}, labels=LABELS)
        assert "failed_rows" in info.views
        assert ask(tmp_path / "c.duckdb", self.ASKED) == []

    def test_rows_of_all_tables_are_named_with_the_reason(self, tmp_path):
        told = {"row_id": ["a", "b"], "failed": ["ValueError: too long", None]}
        sums, part = (
            save(tmp_path / "scores_text" / name, pa.table({**told, "x": [None, 1.0]}))
            for name in ("sums.parquet", "fruit.parts/0f.parquet")
        )
        code = save(tmp_path / "scores_text" / "code.parquet", pa.table({"row_id": ["c"], "x": [2.0]}))
        own = save(tmp_path / "blend_b.parquet", pa.table({**told, "source": ["sums", "sums"]}))
        pool = save(tmp_path / "near.parquet", pa.table(told))
        tables = {"scores_text": [code, sums, part], "blend_b": [own], "near": [pool]}
        build_catalog(tmp_path / "c.duckdb", tables, {}, labels={"scores_text": "source"})
        why = ("a", "ValueError: too long")
        assert ask(tmp_path / "c.duckdb", self.ASKED) == [
            ("fruit", "scores_text", *why),
            ("sums", "blend_b", *why),
            ("sums", "scores_text", *why),
            (None, "near", *why),
        ]

    def test_what_failed_without_a_row_id_is_no_row(self, tmp_path):
        file = save(tmp_path / "runs.parquet", pa.table({"failed": ["yes"]}))
        build_catalog(tmp_path / "c.duckdb", {"jobs": [file]}, {})
        assert ask(tmp_path / "c.duckdb", self.ASKED) == []


class TestPublishing:
    def test_a_reader_process_that_holds_the_old_file_is_undisturbed(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {"version": pl.DataFrame({"n": [1]})}, labels=LABELS)
        code = (
            "import duckdb, sys\n"
            "con = duckdb.connect(sys.argv[1], read_only=True)\n"
            "for line in sys.stdin:\n"
            "    print(con.execute('SELECT n FROM version').fetchall(), flush=True)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None

            def answer() -> str:
                reader.stdin.write("again\n")
                reader.stdin.flush()
                return reader.stdout.readline().strip()

            assert answer() == "[(1,)]"
            build_catalog(path, lake, {"version": pl.DataFrame({"n": [2]})}, labels=LABELS)
            assert answer() == "[(1,)]"
            assert ask(path, "SELECT n FROM version") == [(2,)]
            reader.stdin.close()

    def test_a_reader_that_opens_the_file_over_and_over_always_finds_a_whole_catalog(self, lake, tmp_path):
        path, stop = tmp_path / "c.duckdb", tmp_path / "stop"
        build_catalog(path, lake, {"version": pl.DataFrame({"n": [0]})}, labels=LABELS)
        code = (
            "import duckdb, pathlib, sys\n"
            "seen, stop = [], pathlib.Path(sys.argv[2])\n"
            "last = False\n"
            "while not last:\n"
            "    last = stop.exists()  # looked at before reading, so that the last state is read\n"
            "    with duckdb.connect(sys.argv[1], read_only=True) as con:\n"
            "        seen.append(con.execute('SELECT n, (SELECT count(*) FROM corpus) FROM version').fetchone())\n"
            "    if len(seen) == 1: print('ready', flush=True)\n"
            "assert {rows for _, rows in seen} == {5}, seen\n"
            "assert seen == sorted(seen), seen\n"
            "print(seen[-1][0], len(seen))\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(stop)], stdout=subprocess.PIPE, text=True
        ) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
            for n in range(1, 6):
                build_catalog(path, lake, {"version": pl.DataFrame({"n": [n]})}, labels=LABELS)
                time.sleep(0.05)
            stop.touch()
            last, opened = map(int, reader.communicate(timeout=30)[0].split())
        assert reader.returncode == 0
        assert last == 5
        assert opened > 1

    def test_nothing_is_left_beside_the_file_and_nobody_holds_a_lock(self, lake, tmp_path):
        import duckdb

        path = tmp_path / "warehouse" / "c.duckdb"
        build_catalog(path, lake, {"runs": runs()}, labels=LABELS)
        assert [p.name for p in path.parent.iterdir()] == ["c.duckdb"]
        assert ask_elsewhere(path, "SELECT 1", tmp_path) == "[(1,)]"
        with duckdb.connect(str(path)) as writer:  # would raise if a lock were held
            writer.execute("SELECT 1")

    def test_a_journal_left_by_a_killed_writing_session_does_not_spoil_the_next_catalog(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {}, labels=LABELS)
        code = (
            "import duckdb, os, sys\n"
            "con = duckdb.connect(sys.argv[1])\n"
            "con.execute('CREATE TABLE mine AS SELECT 1')\n"
            "os._exit(0)\n"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        assert path.with_name("c.duckdb.wal").exists()
        build_catalog(path, lake, {}, labels=LABELS)
        assert ask(path, "SELECT count(*) FROM corpus") == [(5,)]

    def test_leftovers_of_a_killed_build_are_swept(self, lake, tmp_path):
        killed = f".c.duckdb.{socket.gethostname()}-999999999-abc.tmp"
        leftovers = [tmp_path / killed, tmp_path / f"{killed}.wal"]
        for leftover in leftovers:
            leftover.write_bytes(b"x")
        build_catalog(tmp_path / "c.duckdb", lake, {}, labels=LABELS)
        assert not any(leftover.exists() for leftover in leftovers)

    def test_a_missing_file_is_named_and_the_old_catalog_stays(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {}, labels=LABELS)
        lake["corpus"][0].unlink()
        with pytest.raises(FileNotFoundError, match=r"the view corpus needs .*arithmetic\.parquet"):
            build_catalog(path, lake, {}, labels=LABELS)
        assert ask(path, "SELECT count(*) FROM selections") == [(6,)]
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["c.duckdb"]

    def test_a_file_that_is_not_parquet_is_named(self, tmp_path):
        (tmp_path / "bad.parquet").write_bytes(b"not parquet at all")
        with pytest.raises(ValueError, match=r"scores_x needs .*bad\.parquet, which is not a Parquet file"):
            build_catalog(tmp_path / "c.duckdb", {"scores_x": [tmp_path / "bad.parquet"]}, {})

    def test_a_full_disk_is_reported_and_the_old_catalog_stays(self, lake, tmp_path, monkeypatch):
        import duckdb

        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {}, labels=LABELS)

        def full(*args: object, **kwargs: object) -> None:
            raise duckdb.IOException('IO Error: Could not write file "x": No space left on device')

        monkeypatch.setattr("datasel_assets.storage.catalog._add_convenience_views", full)
        with pytest.raises(StorageFullError, match=r"no space left while writing .*c\.duckdb"):
            build_catalog(path, lake, {}, labels=LABELS)
        assert ask(path, "SELECT count(*) FROM corpus") == [(5,)]
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["c.duckdb"]

    def test_a_file_size_limit_in_the_middle_of_the_build_leaves_the_old_catalog(self, lake, tmp_path):
        path = tmp_path / "c.duckdb"
        build_catalog(path, lake, {}, labels=LABELS)
        before = path.read_bytes()
        code = (
            "import polars as pl, sys, pathlib\n"
            "from datasel_assets.storage.catalog import build_catalog\n"
            "table = pl.DataFrame({'n': range(200_000)}).with_columns(m=pl.col('n').hash())\n"
            "build_catalog(pathlib.Path(sys.argv[1]), {}, {'big': table})\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000)),
        )
        assert "File too large" in done.stderr
        assert path.read_bytes() == before
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["c.duckdb"]


class TestQuoting:
    def test_quoted_text_is_one_sql_value(self):
        import duckdb

        for text in ["", "it's", "''", "'; DROP TABLE x; --", "line\nbreak", "\\"]:
            assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]

    def test_a_name_with_a_null_byte_or_without_letters_is_refused(self):
        for name in ["", "a\0b"]:
            with pytest.raises(ValueError, match="cannot name a table"):
                identifier(name)

    def test_the_path_in_a_view_is_absolute_and_without_patterns(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert file_literal(Path("x[1].parquet")) == f"'{tmp_path.resolve()}/x[[]1].parquet'"
