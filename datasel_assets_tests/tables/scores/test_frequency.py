"""Counts of the pool's words, the scores made of them, and the tables of single turns."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from datasel_assets.definitions import assemble
from datasel_assets.defs.main_job import run_main
from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.text import score_conversations
from datasel_assets.indicators.text.frequency import NgramCounts, dqi_c2, frequency_band, unigram_logprob
from datasel_assets.indicators.text.frozen_counts import DRIFT
from datasel_assets.tables.pruning import prune
from datasel_assets.tables.scores.word_counts import KEY as COUNTS
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets.words.batch import TextBatch
from datasel_assets_tests.pools import add_source, write_yaml
from datasel_assets_tests.project import Project

SOURCES = ("chat", "plain")


def plain(n: int, start: int = 0) -> list[dict[str, str]]:
    return [
        {
            "instruction": f"Say {'very ' * (k % 9)}much about number {k % 50} please, my friend",
            "output": f"Number {k % 50} is {'quite ' * (k % 13)}a number, item {k}.",
        }
        for k in range(start, start + n)
    ]


def chat(n: int, start: int = 0) -> list[dict]:
    """Conversations of one to four exchanges, the fourth kind with two turns of the user and one answer."""
    made = []
    for k in range(start, start + n):
        turns = [("system", "Never counted nor scored.")]
        for t in range(1 + k % 3):
            turns += [
                ("user", f"Question {t} about {'blue ' * t}fish {k}?"),
                ("assistant", f"Fish {k} swim {t} times."),
            ]
        if k % 4 == 3:
            turns = [("user", f"First {k}"), ("user", "Then more of it"), ("assistant", f"Both, fish {k}")]
        made.append({"messages": [{"role": role, "content": content} for role, content in turns]})
    return made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("frequency") / "data"
    add_source(data, "plain", plain(200))
    add_source(data, "chat", chat(60))
    usual = {
        "paper": "DQI",
        "drop": [{"score": "frequency.prompt_dqi_c1", "below": 1}],
        "select": {"sampler": "topk", "by": "frequency.response_unigram_logprob", "keep": "high"},
        "budget": {"rows": 5},
    }
    write_yaml(data / "recipes" / "usual.yaml", usual)
    with dg.DagsterInstance.ephemeral() as instance:
        Project(data, instance).update()
    return data


@pytest.fixture
def project(made: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    shutil.copytree(made, tmp_path / "data")
    return Project(tmp_path / "data", instance)


def run(project: Project) -> dict[tuple[str, str | None], dict]:
    """Bring the corpus, the counts and the scores of texts up to date, and nothing that reads them."""
    lake = project.warehouse.lake
    before = len(lake.runs())
    definitions, assets = assemble(project.warehouse)
    own = [asset for asset in assets if asset.key[0] in ("raw_corpus", "corpus", "word_counts", "scores")]
    assert run_main(definitions, own, lambda: Warehouse(project.settings), project.instance).failures == []
    return {(run["stage"], run["source"]): run for run in lake.runs()[before:]}


def table(project: Project, *key: str) -> pl.DataFrame:
    return project.warehouse.lake.scan(key).collect()


def pool_words(project: Project, *sources: str) -> NgramCounts:
    """Count the words of the user's and the assistant's turns with a dictionary."""
    found: Counter[str] = Counter()
    for source in sources:
        for messages in table(project, "corpus", source)["messages"].to_list():
            for message in messages:
                if message["role"] != "system":
                    content = message["content"].lower()
                    found.update(w for w in "".join(c if c.isalnum() else " " for c in content).split())
    return NgramCounts(1, pl.DataFrame({"ngram": list(found), "count": list(found.values())}))


def test_scores_are_those_of_the_functions_on_counts_made_by_hand(project: Project):
    lake = project.warehouse.lake
    pool = pool_words(project, *SOURCES)
    counts = table(project, "word_counts").filter(pl.col("unit") == "word")
    assert dict(counts.filter(pl.col("source").is_null()).select("value", "count").iter_rows()) == dict(
        pool.table.iter_rows()
    )
    bands = lake.require(COUNTS).meta["bands"]
    for source in SOURCES:
        corpus = table(project, "corpus", source)
        found = table(project, "scores", "frequency", source)
        assert found.columns == ["row_id", *sorted(c for i in FAMILIES["frequency"].values() for c in i.columns)]
        own = pool_words(project, source)
        ordered = found.join(corpus, on="row_id", maintain_order="left")
        for part, role in (("prompt", "user"), ("response", "assistant")):
            texts = ["\n".join(m["content"] for m in row if m["role"] == role) for row in ordered["messages"].to_list()]
            batch = TextBatch(texts)
            np.testing.assert_allclose(
                found[f"{part}_unigram_logprob"], unigram_logprob(batch, counts=pool), rtol=1e-5, err_msg=source
            )
            low, high = bands[f"{part}_length"]
            lengths = batch.words.lengths
            assert found[f"{part}_dqi_c1"].to_list() == np.sign((lengths - low) * (high - lengths)).tolist()
            assert tuple(bands["frequency"]) == frequency_band(pool)
            usual = dqi_c2(batch, counts=pool, frequency_band=frequency_band(pool))
            np.testing.assert_allclose(found[f"{part}_dqi_c2"], usual, atol=1e-6)
            of_source = frequency_band(own)
            inside = np.sign((own.of(batch) / own.total - of_source[0]) * (of_source[1] - own.of(batch) / own.total))
            np.testing.assert_allclose(found[f"{part}_dqi_c6"], batch.words.means(inside), atol=1e-6)


def test_the_length_band_holds_the_middle_of_the_pool(project: Project):
    corpus = pl.concat(table(project, "corpus", source).select("messages") for source in SOURCES)
    words = [
        sum(len(TextBatch([m["content"]]).words.ids) for m in row if m["role"] == "user")
        for row in corpus["messages"].to_list()
    ]
    low, high = project.warehouse.lake.require(COUNTS).meta["bands"]["prompt_length"]
    assert (low, high) == tuple(np.quantile(words, [0.1, 0.9], method="inverted_cdf"))


def test_a_recipe_drops_and_ranks_by_them(project: Project):
    found = pl.concat(table(project, "scores", "frequency", source) for source in SOURCES)
    inside = found.filter(pl.col("prompt_dqi_c1") == 1)
    best = inside.sort("response_unigram_logprob", "row_id", descending=[True, False]).head(5)
    assert 5 < inside.height < found.height
    assert sorted(table(project, "selections", "usual")["row_id"]) == sorted(best["row_id"])


def test_appended_rows_are_scored_alone_by_the_counts_that_stand(project: Project):
    before, counts = table(project, "scores", "frequency", "plain"), table(project, "word_counts")
    version = project.warehouse.lake.version(COUNTS)
    add_source(project.data, "plain", plain(203))
    done = run(project)
    assert done["word_counts", None]["rows_new"] == 0
    assert done["scores/frequency", "plain"]["rows_new"] == 3
    assert ("scores/frequency", "chat") not in done
    assert table(project, "word_counts").equals(counts)
    assert project.warehouse.lake.version(COUNTS) == version
    after = table(project, "scores", "frequency", "plain")
    assert after.filter(pl.col("row_id").is_in(before["row_id"].implode())).equals(before)
    assert after["response_unigram_logprob"].is_not_nan().all()
    event = project.instance.get_latest_materialization_event(dg.AssetKey(list(COUNTS)))
    shown = {key: value.value for key, value in event.asset_materialization.metadata.items()}
    assert 0 < shown["drift_bits"] <= DRIFT == shown["counted_anew_at"]
    assert shown["details"]["band: prompt_length (middle 80%)"].split(" to ")[0].isdigit()
    assert (shown["counted"], shown["rows_total"]) == ("no", 263)


def test_a_pool_that_has_drifted_is_counted_anew_and_every_row_is_scored_again(project: Project):
    before = {source: table(project, "scores", "frequency", source) for source in SOURCES}
    pool = pool_words(project, *SOURCES)
    other = [{"instruction": f"词 {k} 是什么意思？", "output": "这是一个很长的中文回答，" * 5} for k in range(150)]
    add_source(project.data, "chinese", other)
    done = run(project)
    assert done["word_counts", None]["rows_new"] == 150, "unchanged sources keep their counts"
    whole = table(project, "word_counts").filter(pl.col("source").is_null(), pl.col("unit") == "word")
    counts = dict(whole.select("value", "count").iter_rows())
    # Numbers stand in the new source too.
    assert {word: counts[word] for word in pool.table["ngram"] if word.isalpha()} == {
        word: count for word, count in pool.table.iter_rows() if word.isalpha()
    }
    assert counts["词"] == 150
    for source in SOURCES:
        # A version of its own for each column: the source's own counts, and so its dqi_c6, are what they were.
        after = table(project, "scores", "frequency", source)
        assert not after["prompt_unigram_logprob"].equals(before[source]["prompt_unigram_logprob"])
        assert after["prompt_dqi_c6"].equals(before[source]["prompt_dqi_c6"])


def test_a_small_new_source_has_counts_of_its_own_and_leaves_those_of_the_pool(project: Project):
    def pool() -> pl.DataFrame:
        return table(project, "word_counts").filter(pl.col("source").is_null())

    before = pool()
    add_source(project.data, "new", plain(4, start=300))
    done = run(project)
    assert done["word_counts", None]["rows_new"] == 4
    assert {source for stage, source in done if stage == "scores/frequency"} == {"new"}
    assert pool().equals(before)
    first = table(project, "scores", "frequency", "new")
    assert first["response_dqi_c6"].is_not_nan().all()

    other = [{"instruction": f"Quite another {k}", "output": "Words that no row had so far"} for k in range(2)]
    add_source(project.data, "new", plain(4, start=300) + other)
    done = run(project)
    assert done["word_counts", None]["rows_new"] == 6, "the source has drifted, the pool has not"
    assert {source for stage, source in done if stage == "scores/frequency"} == {"new"}
    assert pool().equals(before)
    both = table(project, "scores", "frequency", "new").join(first, on="row_id", suffix="_first")
    assert both.height == 4
    assert both["response_unigram_logprob"].equals(both["response_unigram_logprob_first"], check_names=False)
    assert not both["response_dqi_c6"].equals(both["response_dqi_c6_first"], check_names=False)


def turns_by_hand(project: Project) -> pl.DataFrame:
    corpus = table(project, "corpus", "chat")
    _, turns = score_conversations(corpus["messages"].to_list())
    return turns.with_columns(row_id=corpus["row_id"].gather(turns["row"])).sort("row_id", "part", "turn")


def test_single_turns_are_stored_as_the_function_gives_them(project: Project):
    found = table(project, "turn_scores", "text", "chat")
    wanted = turns_by_hand(project)
    names = sorted(i.name for i in FAMILIES["text"].values() if i.parts)
    assert found.columns == ["row_id", "part", "turn", *names]
    assert found.equals(wanted.select(found.columns))
    assert set(found["part"]) == {"prompt", "response"}
    assert table(project, "turn_scores", "text", "plain").height == 0
    own = table(project, "turn_scores", "frequency", "chat")
    assert own.select("row_id", "part", "turn").equals(found.select("row_id", "part", "turn"))
    assert own.columns == ["row_id", "part", "turn", *sorted(FAMILIES["frequency"])]


def test_turns_come_and_go_with_their_rows_and_stand_in_the_catalog(project: Project):
    before = table(project, "turn_scores", "text", "chat")
    add_source(project.data, "chat", chat(62)[3:])
    runs = project.update()
    assert [r["rows_new"] for r in runs if (r["stage"], r["source"]) == ("scores/text", "chat")] == [2]
    import duckdb

    after = table(project, "turn_scores", "text", "chat")
    kept = after.filter(pl.col("row_id").is_in(before["row_id"].implode()))
    assert kept.equals(before.filter(pl.col("row_id").is_in(after["row_id"].implode())))
    assert after.equals(turns_by_hand(project).select(after.columns))
    with duckdb.connect(str(project.settings.warehouse / "datasel.duckdb"), read_only=True) as con:
        assert con.execute("SELECT DISTINCT source FROM turn_scores_text").fetchall() == [("chat",)]
        assert con.execute("SELECT count(*) FROM turn_scores_frequency").fetchone() == (after.height,)


def test_lost_turns_are_made_again_and_those_of_a_retired_source_are_pruned(project: Project):
    key = ("turn_scores", "text", "chat")
    before = table(project, *key)
    project.warehouse.lake.delete(key)
    assert ("scores/text", "chat") in run(project)
    assert table(project, *key).equals(before)
    (project.data / "sources" / "chat.yaml").unlink()
    removed = prune(project.warehouse, assemble(project.warehouse)[1], dry_run=False)
    assert {"turn_scores/text/chat", "turn_scores/frequency/chat", "scores/frequency/chat"} <= set(removed)
    assert project.warehouse.lake.info(("turn_scores", "text", "plain")) is not None
    assert project.warehouse.lake.info(COUNTS) is not None
