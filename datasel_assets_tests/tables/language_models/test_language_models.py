"""A proxy model trained on the pool, its token statistics and the scores made of them, as tables."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from datasel_assets.definitions import assemble
from datasel_assets.models.causal_lm import CausalLM
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.storage.lake import Expected, Lake, StaleTableError
from datasel_assets.tables import Table, make
from datasel_assets.tables.language_models import token_statistics
from datasel_assets.tables.pruning import prune
from datasel_assets.tables.trained_models import trained_folder
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, write_yaml
from datasel_assets_tests.project import Project, changed_copy, copy_of

CONTEXTS = ["unconditioned_bare", "unconditioned_header"]
CHINESE = [{"instruction": f"词 {i} 是什么意思？", "output": "这是一个很长的中文回答，" * 30} for i in range(150)]


@pytest.fixture(scope="module")
def read_once(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small pool, read by a tiny model of its own, with a recipe that ranks by it."""

    def change(data: Path) -> None:
        spec = {"causal": CAUSAL, "contexts": CONTEXTS, "proxy": TINY, "retrain": {"drift": 0.3}}
        write_yaml(data / "language_models" / "tiny.yaml", spec)
        write_yaml(
            data / "recipes" / "hardest.yaml",
            {
                "paper": "Cherry LLM",
                "drop": [{"score": "tiny.ifd_loss_ratio", "above": 1.0, "missing": "drop"}],
                "select": {"sampler": "topk", "by": "tiny.ifd_loss_ratio", "keep": "high"},
                "budget": {"rows": 5},
            },
        )

    return changed_copy(finished, tmp_path_factory.mktemp("read"), change)


@pytest.fixture
def read(read_once: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """A copy of it that a test may change."""
    return copy_of(read_once, tmp_path, instance)


def of_the_model(table: Table) -> bool:
    return table.key[0] in ("raw_corpus", "corpus", "proxy_lm", "tokens") or table.key[:2] == ("scores", "tiny")


def scores(project: Project, source: str) -> pl.DataFrame:
    return project.warehouse.lake.scan(("scores", "tiny", source)).collect()


def test_every_row_has_a_perplexity_and_both_kinds_of_ifd(read: Project):
    for source in ("code", "fruit", "sums"):
        table = scores(read, source)
        assert table.height == 40
        assert {"perplexity", "ifd_loss_ratio", "ifd_perplexity_ratio", "el2n"} <= set(table.columns)
        np.testing.assert_allclose(table["perplexity"], np.exp(table["nll"]), rtol=1e-4)
        assert table["perplexity"].is_between(1, 300).all()


def test_a_recipe_ranks_by_the_model_and_drops_what_it_finds_impossible(read: Project):
    chosen = read.warehouse.lake.scan(("selections", "hardest")).collect()
    table = pl.concat(scores(read, source) for source in ("code", "fruit", "sums"))
    best = table.filter(pl.col("ifd_loss_ratio") <= 1).sort("ifd_loss_ratio", descending=True).head(5)
    assert sorted(chosen["row_id"]) == sorted(best["row_id"])


def test_appended_rows_are_scored_alone_and_the_model_is_kept_when_the_pool_has_hardly_moved(read: Project):
    before = scores(read, "sums")
    add_source(read.data, "sums", rows("sums", 43))
    made = read.refresh(of_the_model)
    assert made["proxy_lm/tiny", None].rows_new == 0
    assert made["tokens/tiny", "sums"].rows_new == 3
    assert ("tokens/tiny", "code") not in made
    after = scores(read, "sums").filter(pl.col("row_id").is_in(before["row_id"].implode()))
    assert after.equals(before)


def test_a_pool_that_has_moved_trains_the_model_again_and_scores_every_row_again(read: Project):
    before = scores(read, "code")
    add_source(read.data, "chinese", CHINESE)
    made = read.refresh(of_the_model)
    assert made["proxy_lm/tiny", None].rows_new > 0
    assert made["tokens/tiny", "code"].rows_new == 40
    assert not scores(read, "code").equals(before), "the scores are those of the new model"


def test_a_bound_of_drift_that_is_lowered_trains_a_model_that_was_kept(read: Project):
    def refreshed(drift: float) -> dict:
        spec = {"causal": CAUSAL, "contexts": CONTEXTS, "proxy": TINY, "retrain": {"drift": drift}}
        write_yaml(read.data / "language_models" / "tiny.yaml", spec)
        return read.refresh(lambda asset: asset.key[0] in ("raw_corpus", "corpus", "proxy_lm"))

    add_source(read.data, "chinese", CHINESE)
    assert refreshed(1.0)["proxy_lm/tiny", None].rows_new == 0
    assert refreshed(0.3)["proxy_lm/tiny", None].rows_new > 0


def test_a_model_that_was_trained_but_not_recorded_counts_and_scores_every_row_again(read: Project, monkeypatch):
    before, write = scores(read, "code"), Lake.write

    def killed(lake: Lake, expected: Expected, *args: object, **options: object) -> object:
        if expected.key == ("proxy_lm", "tiny"):
            raise OSError("killed")
        return write(lake, expected, *args, **options)

    add_source(read.data, "chinese", CHINESE)
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "write", killed)
        with pytest.raises(OSError, match="killed"):
            read.refresh(of_the_model)
    with pytest.raises(StaleTableError, match="materialise proxy_lm/tiny again"):
        trained_folder(read.warehouse, "tiny")
    made = read.refresh(of_the_model)
    assert made["tokens/tiny", "code"].rows_new == 40
    assert not scores(read, "code").equals(before)
    said = made["proxy_lm/tiny", None].metadata["trained"]
    assert said == "yes: by a run that ended before it was recorded"
    assert trained_folder(read.warehouse, "tiny").is_dir()


def test_a_model_whose_folder_was_deleted_is_trained_again(read: Project):
    before = scores(read, "sums")
    shutil.rmtree(read.settings.warehouse / "models" / "tiny")
    assert ("proxy_lm/tiny", None) in read.refresh(of_the_model)
    assert scores(read, "sums").equals(before)


def test_prune_deletes_the_model_of_a_file_that_is_gone(read: Project):
    (read.data / "language_models" / "tiny.yaml").unlink()
    (read.data / "recipes" / "hardest.yaml").unlink()
    prune(read.warehouse, assemble(read.warehouse)[1], dry_run=False)
    assert not (read.settings.warehouse / "models" / "tiny").exists()
    assert read.warehouse.lake.info(("scores", "tiny", "sums")) is None


def test_the_page_of_the_model_shows_its_loss(read: Project):
    metadata = make(read.warehouse, "proxy_lm/tiny").built.metadata
    assert metadata["trained"] == "yes: first training"
    assert metadata["plot: loss"].alt == "loss of the proxy model"
    assert 0 < metadata["held_out_loss"] < 7


def test_another_context_reads_the_pool_again_but_trains_nothing(read: Project):
    spec = {
        "causal": CAUSAL,
        "contexts": ["subnet"],
        "subnet_rates": [0.2, 0.4],
        "proxy": TINY,
        "retrain": {"drift": 0.3},
    }
    write_yaml(read.data / "language_models" / "tiny.yaml", spec)
    (read.data / "recipes" / "hardest.yaml").unlink()
    assert ("proxy_lm/tiny", None) not in read.refresh(of_the_model)
    assert scores(read, "sums")["learning_complexity"].is_not_nan().all()
    assert "ifd_loss_ratio" not in scores(read, "sums").columns


def test_records_checkpoints_and_choices_are_added_without_scoring_the_other_columns_again(read: Project):
    """The model is trained again to keep checkpoints, to the same weights, so what was scored with it stays."""
    import duckdb

    question = {"instruction": "Which is hot?\n(A) ice (B) fire", "output": "B"}
    add_source(read.data, "quiz", [{**question, "instruction": f"{i}. {question['instruction']}"} for i in range(5)])
    # A pool that has changed since the training gives other weights: train on this one first, then ask for more.
    spec = {
        "causal": CAUSAL,
        "contexts": ["unconditioned_bare", "unconditioned_header"],
        "proxy": {**TINY, "seed": 1},
    }
    write_yaml(read.data / "language_models" / "tiny.yaml", spec)
    read.refresh(of_the_model)
    lake = read.warehouse.lake
    before = lake.info(("tokens", "tiny", "sums")).meta["columns"]
    table, scored = lake.scan(("tokens", "tiny", "sums")).collect(), scores(read, "sums")
    more = {"checkpoints": 2, "records": True, "contexts": [*spec["contexts"], "choices"]}
    write_yaml(read.data / "language_models" / "tiny.yaml", {**spec, **more})
    made = read.refresh(lambda table: of_the_model(table) or table.key == ("catalog",))
    assert made["proxy_lm/tiny", None].rows_new > 0
    assert made["tokens/tiny", "sums"].rows_new == 0
    after = lake.info(("tokens", "tiny", "sums")).meta["columns"]
    assert {column: after[column] for column in before} == before
    wide = lake.scan(("tokens", "tiny", "sums")).collect()
    assert wide.select(table.columns).equals(table)
    assert scores(read, "sums").select(scored.columns).equals(scored)
    assert scores(read, "sums")["cape"].is_nan().all()
    assert scores(read, "quiz")["cape"].is_between(0, 0.5).all()
    assert scores(read, "sums")["learning_complexity_checkpoints"].is_not_nan().all()
    tokens_agree_with_their_sums(wide)
    unscored = "not scored, choices: no list of answer choices in the prompt"
    assert made["tokens/tiny", "sums"].metadata[unscored] == 40
    with duckdb.connect(str(read.settings.warehouse / "datasel.duckdb"), read_only=True) as catalog:
        query = "SELECT source, count(*) FROM (SELECT source, unnest(token_top1) FROM tokens_tiny) GROUP BY 1"
        assert dict(catalog.sql(query).fetchall())["sums"] == wide["token"].list.len().sum()


def test_a_checkpoint_is_loaded_once_however_many_shards_it_reads(read: Project, monkeypatch):
    loaded, load = [], CausalLM.__init__

    def counted(lm: CausalLM, spec: CausalSpec, *args: Any, **options: Any) -> None:
        loaded.append(spec.model.rsplit("/", 1)[1])
        load(lm, spec, *args, **options)

    def refreshed() -> list[str]:
        loaded.clear()
        read.refresh(lambda asset: asset.key[0] in ("raw_corpus", "corpus", "proxy_lm", "tokens"))
        return sorted(loaded)

    monkeypatch.setattr(token_statistics, "UNIT_ROWS", 8)
    monkeypatch.setattr(CausalLM, "__init__", counted)
    spec = {"causal": CAUSAL, "contexts": CONTEXTS, "proxy": TINY, "retrain": {"drift": 0.3}, "checkpoints": 2}
    write_yaml(read.data / "language_models" / "tiny.yaml", spec)
    assert refreshed() == ["0"] * 3 + ["1"] * 3
    add_source(read.data, "sums", rows("sums", 60))
    assert refreshed() == ["0", "1", "tiny"]
    table = read.warehouse.lake.scan(("tokens", "tiny", "sums")).collect()
    assert table.null_count().transpose().to_series().sum() == 0
    assert not table["checkpoint_0"].equals(table["checkpoint_1"])


def test_a_row_that_the_model_cannot_read_has_no_scores_and_costs_no_other_row_any(read: Project, monkeypatch):
    passes, before = token_statistics.token_columns, scores(read, "sums")

    def choosy(lm: CausalLM, conversations: list, *args: Any, **options: Any) -> Any:
        if any("unreadable" in message["content"] for row in conversations for message in row):
            raise ValueError("odd")
        return passes(lm, conversations, *args, **options)

    monkeypatch.setattr(token_statistics, "token_columns", choosy)
    add_source(read.data, "sums", [*rows("sums", 40), {"instruction": "Say it.", "output": "unreadable"}])
    made = read.refresh(lambda asset: asset.key[0] in ("raw_corpus", "corpus", "proxy_lm", "tokens", "scores"))
    built = made["tokens/tiny", "sums"]
    assert (built.rows_new, built.metadata["rows_failed"], built.metadata["turns"]) == (1, 1, 40)
    table = read.warehouse.lake.scan(("tokens", "tiny", "sums")).collect()
    failed = table.filter(pl.col("failed").is_not_null())
    assert failed.select("conditioned", "failed").rows() == [(None, "ValueError: odd")]
    after = scores(read, "sums").select(before.columns)
    assert after.filter(pl.col("row_id") != failed["row_id"][0]).equals(before)
    lost = after.filter(pl.col("row_id") == failed["row_id"][0]).drop("row_id").fill_nan(None)
    assert lost.row(0) == (None,) * lost.width


def tokens_agree_with_their_sums(wide: pl.DataFrame) -> None:
    """The records of each row add up to the sums of its turns; float16 keeps three digits."""
    turns = wide.select("row_id", "conditioned").explode("conditioned").unnest("conditioned")
    sums = turns.group_by("row_id", maintain_order=True).agg(pl.col("^sum_.*$", "count").sum())
    assert wide["token"].list.len().to_list() == sums["count"].to_list()
    for column, total, tolerance in (
        ("token_logp", "sum_logp", 1e-5),
        ("token_entropy", "sum_entropy", 1e-3),
        ("token_top1", "sum_top1", 1e-3),
        ("token_hit", "sum_hit", 0),
    ):
        found = wide[column].cast(pl.List(pl.Float64)).list.sum()
        np.testing.assert_allclose(found, sums[total], rtol=tolerance, atol=1e-9, err_msg=column)
    margin = (wide["token_top1"].explode() - wide["token_top2"].explode()).cast(pl.Float64).sum()
    assert margin == pytest.approx(sums["sum_margin"].sum(), rel=5e-3)


@pytest.mark.parametrize(
    ("name", "spec", "complaint"),
    [
        ("text", {}, "belongs to another family"),
        ("tiny", {"causal": {"model": "gpt2"}, "proxy": TINY}, "goes with 'causal: {model: local:proxy_lm}'"),
        ("tiny", {"contexts": ["conditoned"]}, "did you mean"),
        ("tiny", {"causal": {"model": "gpt2"}, "checkpoints": 3}, "checkpoints: [{revision: step1000}]"),
        ("tiny", {"checkpoints": [{"revision": "step1000"}]}, "give their number"),
        (
            "tiny",
            {"causal": {"model": "gpt2"}, "checkpoints": [{}]},
            "an entry needs 'model'",
        ),
    ],
)
def test_a_model_file_with_a_mistake_names_itself(settled: Project, name, spec, complaint):
    write_yaml(settled.data / "language_models" / f"{name}.yaml", spec)
    assert complaint in settled.warehouse.registry.errors[f"language_models/{name}.yaml"]
