"""Tables of tags: labels of the pool, tags of each row, the label graph, and what an increment costs."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.samplers import Candidates, mig
from datasel_assets.specs.tags import GraphSpec
from datasel_assets.storage.lake import Expected, StaleTableError
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.pruning import prune
from datasel_assets.tables.table import Built
from datasel_assets.tables.tags import candidates
from datasel_assets.tables.tags.label_graphs import VECTORS, label_vectors
from datasel_assets.tables.tags.tag_tables import read_label_graph, read_labels, read_tags
from datasel_assets_tests.models.test_causal_lm import tiny_causal
from datasel_assets_tests.pools import TOPICS, add_source, rows, write_yaml
from datasel_assets_tests.project import Project

STAGES = ("raw_corpus", "corpus", "tag_candidates", "tag_vocabulary", "tags", "label_graph")
GRAPH = {"threshold": 0.5, "encoder": {"pooling": "mean", "layers": "last", "max_tokens": 8, "precision": "float32"}}


def phrases(project: Project, **changes: object) -> None:
    spec = {"phrases": {"max_share": 1.0}, "min_rows": 3, "graph": GRAPH, **changes}
    write_yaml(project.data / "tags" / "phrases.yaml", spec)


def tagged(project: Project, name: str, source: str) -> pl.DataFrame:
    lake = project.warehouse.lake
    texts = lake.scan(("corpus", source)).select("row_id", "prompt")
    return lake.scan(("tags", name, source)).join(texts, on="row_id").collect()


def refresh(project: Project) -> dict[tuple[str, str | None], Built]:
    """Make what is not current of the corpus and its tags; return what was made."""
    return project.refresh(lambda asset: asset.key[0] in STAGES or asset.key == ("scores", "tags"))


@pytest.fixture
def tags_only(project: Project) -> Project:
    """A pool with nothing made but its phrases."""
    phrases(project)
    assert ("scores/tags", "fruit") in refresh(project)
    return project


def test_phrases_become_tags_a_graph_a_score_and_a_selection(settled: Project):
    phrases(settled)
    runs = settled.update()
    assert {"tag_candidates/phrases", "tag_vocabulary/phrases", "label_graph/phrases"} <= {r["stage"] for r in runs}
    warehouse = settled.warehouse
    assert all("apples" in tags for tags in tagged(settled, "phrases", "fruit")["tags"])
    pool = read_pool(warehouse, scores=["tags.phrases_count"])
    tags, graph = read_tags(warehouse, "phrases", pool["row_id"]), read_label_graph(warehouse, "phrases")
    labels = read_labels(warehouse, "phrases")
    assert tags.n == pool.height
    assert graph.shape == (len(labels), len(labels)) == (tags.size, tags.size)
    np.testing.assert_array_equal(graph.toarray(), graph.toarray().T)
    assert pool["tags.phrases_count"].to_list() == tags.counts.tolist()
    stored = pl.concat(warehouse.lake.scan(("tags", "phrases", s)) for s in TOPICS).collect()
    by_id = dict(stored.iter_rows())
    for i in range(0, pool.height, 17):
        mine = [labels[k] for k in tags.indices[tags.indptr[i] : tags.indptr[i + 1]]]
        assert mine == sorted(by_id[pool["row_id"][i]])
    found = Candidates(pool["row_id"].to_numpy().astype(np.str_), tags=tags, label_graph=graph)
    sample = mig.sample(found, 9, mig.Params(), 0)
    assert pool["source"].gather(sample.order).n_unique() == 3


def test_new_rows_are_tagged_with_the_labels_that_are_there_and_nothing_else_is_done(tags_only: Project):
    add_source(tags_only.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    done = refresh(tags_only)
    for stage in ("tag_candidates/phrases", "tags/phrases", "scores/tags"):
        assert done[stage, "fruit"].rows_new == 1
        assert (stage, "code") not in done
    assert done["tag_vocabulary/phrases", None].rows_new == 0
    assert ("label_graph/phrases", None) not in done


def test_labels_are_chosen_anew_when_the_pool_has_moved_and_only_new_ones_are_encoded(tags_only: Project):
    before = read_labels(tags_only.warehouse, "phrases")
    story = [{"instruction": f"Tell a story about dragons, chapter {i}.", "output": "Once. " * i} for i in range(1, 60)]
    add_source(tags_only.data, "tales", story)
    done = refresh(tags_only)
    after = read_labels(tags_only.warehouse, "phrases")
    assert "dragons" in set(after) - set(before)
    assert done["label_graph/phrases", None].rows_new == len(set(after) - set(before))
    assert done["tags/phrases", "code"].rows_new == 40
    assert ("tag_candidates/phrases", "code") not in done
    assert read_label_graph(tags_only.warehouse, "phrases").shape == (len(after), len(after))


def test_a_bound_of_drift_that_is_lowered_chooses_labels_that_were_kept_anew(project: Project):
    phrases(project, drift=1.0)
    refresh(project)
    add_source(project.data, "tales", [{"instruction": f"Tell of dragons {i}.", "output": "Once."} for i in range(60)])
    assert refresh(project)["tag_vocabulary/phrases", None].rows_new == 0
    phrases(project, drift=0.01)
    assert refresh(project)["tag_vocabulary/phrases", None].rows_new > 0
    assert "dragons" in read_labels(project.warehouse, "phrases")


def test_tables_of_other_labels_are_refused(tags_only: Project):
    lake = tags_only.warehouse.lake
    key = ("tag_vocabulary", "phrases")
    expected_rows = lake.scan(key).collect()
    info = lake.info(key)
    assert info is not None
    fewer = expected_rows.filter(pl.col("label") != "apples")
    lake.write(Expected(key, info.fingerprint, info.inputs), fewer, meta=info.meta)
    ids = lake.scan(("corpus", "fruit")).collect()["row_id"]
    with pytest.raises(StaleTableError, match="materialise tags/phrases again"):
        read_tags(tags_only.warehouse, "phrases", ids)
    with pytest.raises(StaleTableError, match="materialise label_graph/phrases again"):
        read_label_graph(tags_only.warehouse, "phrases")


def test_a_column_of_the_records_gives_tags_and_is_read_again_when_it_changes(project: Project):
    def with_topics(rare: str) -> list[dict]:
        topics = [["Maths Problem", "sums"], "maths-problem, Sums", rare, None]
        return [{**row, "topics": topics[i % 4]} for i, row in enumerate(rows("sums", 12, start=900))]

    add_source(project.data, "topical", with_topics("hard maths problem, sums"))
    write_yaml(project.data / "tags" / "topics.yaml", {"column": "topics", "min_rows": 5, "graph": GRAPH})
    refresh(project)
    found = tagged(project, "topics", "topical")["tags"]
    assert found.null_count() == 3
    assert {tuple(tags) for tags in found.drop_nulls()} == {("maths problem", "sums")}
    scores = project.warehouse.lake.scan(("scores", "tags", "topical")).collect()["topics_count"]
    assert scores.is_nan().sum() == 3
    assert scores.drop_nans().to_list() == [2.0] * 9
    assert tagged(project, "topics", "code")["tags"].null_count() == 40
    add_source(project.data, "topical", with_topics("sums"))
    assert ("tag_candidates/topics", "topical") in refresh(project)
    assert tagged(project, "topics", "topical")["tags"].list.len().sum() == 6 * 2 + 3


def test_a_language_model_may_write_the_tags(project: Project, tmp_path):
    model = tiny_causal("llama", tmp_path / "tagger", positions=128)
    tagger = {"model": model, "prompt": "tag {instruction}", "max_tokens": 64, "max_new_tokens": 4}
    write_yaml(project.data / "tags" / "written.yaml", {"model": tagger, "min_rows": 1, "graph": GRAPH})
    done = refresh(project)
    assert done["tag_candidates/written", "code"].rows_new == 40
    # A random model writes no JSON, so nothing is known about any row, which is not the same as no tags.
    assert done["tag_candidates/written", "code"].metadata["rows_without_readable_tags"] == 40
    assert tagged(project, "written", "code")["tags"].null_count() == 40
    assert refresh(project) == {}


def test_a_row_whose_candidates_fail_has_no_known_tags_and_the_others_are_tagged(project: Project, monkeypatch):
    words = candidates.phrases.words

    def failing(texts: pl.Series, max_chars: int) -> pl.Series:
        if "Which basket holds 3 apples?" in texts:
            raise ValueError("no words today")
        return words(texts, max_chars)

    monkeypatch.setattr(candidates.phrases, "words", failing)
    phrases(project)
    built = refresh(project)["tag_candidates/phrases", "fruit"]
    assert built.metadata["rows_failed"] == 1
    found = tagged(project, "phrases", "fruit")
    (bad,) = found.filter(pl.col("prompt") == "Which basket holds 3 apples?")["row_id"]
    assert built.metadata["failed"].cells == [[bad, "ValueError: no words today"]]
    assert found.filter(pl.col("tags").is_null())["row_id"].to_list() == [bad]
    assert found.filter(pl.col("tags").list.contains("apples")).height == 39
    scores = project.warehouse.lake.scan(("scores", "tags", "fruit")).collect()
    assert scores.filter(pl.col("phrases_count").is_nan())["row_id"].to_list() == [bad]
    tags = read_tags(project.warehouse, "phrases", found["row_id"])
    assert tags.counts.tolist() == found["tags"].list.len().fill_null(0).to_list()


def test_vectors_of_labels_are_kept_and_only_other_labels_or_another_encoder_encode(project: Project):
    spec = GraphSpec.model_validate(GRAPH)

    def encoded(labels: list[str], spec: GraphSpec = spec) -> tuple[np.ndarray, int]:
        return label_vectors(project.warehouse, "kept", spec, pl.Series(labels, dtype=pl.String))

    first, new = encoded(["pear", "tree house"])
    assert new == 2
    assert first.dtype == np.float16
    second, new = encoded(["apple", "tree house", "zebra"])
    assert new == 2
    np.testing.assert_array_equal(second[1], first[1])
    lake = project.warehouse.lake
    assert lake.scan((VECTORS, "kept")).collect()["row_id"].to_list() == ["apple", "tree house", "zebra"]
    again, new = encoded(["zebra", "apple"])
    assert new == 0
    np.testing.assert_array_equal(again, second[[2, 0]])
    other = GraphSpec.model_validate({**GRAPH, "encoder": {**GRAPH["encoder"], "pooling": "last"}})
    turned, new = encoded(["apple", "zebra"], other)
    assert new == 2
    assert not np.array_equal(turned, second[[0, 2]])
    assert encoded([])[0].shape == (0, second.shape[1])


def test_removing_the_file_removes_every_table_of_it_at_the_next_prune(tags_only: Project):
    lake = tags_only.warehouse.lake
    assert lake.path(("_label_vectors", "phrases")).is_file()
    (tags_only.data / "tags" / "phrases.yaml").unlink()
    removed = prune(tags_only.warehouse, all_tables(tags_only.warehouse.registry), dry_run=False)
    assert {"label_graph/phrases", "tag_vocabulary/phrases", "tags/phrases/code"} <= set(removed)
    assert not lake.path(("_label_vectors", "phrases")).is_file()
    assert not lake.tables("tags")
