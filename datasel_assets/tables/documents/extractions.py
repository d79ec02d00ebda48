"""Rows drawn out of documents in rounds: those clusters are read on whose rows are like a target (EQUAL, 2505.12250).

Belongs here: the table, and carrying the rounds out. Does not: how a row is drawn (``documents.rules``), which cluster
is next (``bandits``), how like two sets of rows are (``arrays.transport``), the warm-up
(``representations.shared_map``).

The rounds so far are written down after each round, so that a step that was killed goes on with the next one.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasel_assets import clusters as kmeans
from datasel_assets.arrays.hash_sample import hash_keys, hash_sample
from datasel_assets.arrays.transport import likeness
from datasel_assets.bandits.first_sweep import sweep_share
from datasel_assets.bandits.neighbours import gaussian_distances, neighbour_weights
from datasel_assets.bandits.probe_rounds import ProbeRounds
from datasel_assets.bandits.ucb import Ucb
from datasel_assets.documents.document import Document, Drawn
from datasel_assets.representations.shared_map import SharedMap, fit_shared_map
from datasel_assets.specs.answers import EndpointSpec, LocalSpec
from datasel_assets.specs.extraction import ExtractionSpec, WarmUpSpec
from datasel_assets.storage.atomic import write_json
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.answers import providers
from datasel_assets.tables.documents.extractors import Extract, ModelExtractor, by_rules
from datasel_assets.tables.inputs import input_versions
from datasel_assets.tables.loops.outcome import path_shown, rounds_frame
from datasel_assets.tables.shown import counts_table, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Graph, Kind, Step, Table
from datasel_assets.tables.vectors.embeddings import DOCUMENT_EMBEDDINGS, encoder_code, layer_column, load_encoder
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.encoder import Encoder

EXTRACTIONS = Kind("extractions", version="2", companions=("extraction_rounds",))

MOST_CLUSTERS, DOCUMENTS_PER_CLUSTER, DRAWS, SHOWN = 1000, 20, 2, 20
WARM_ROWS = 8
"""Rows of a document that the warm-up learns from at most: encoding them is what it costs."""

SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("row_id", "prompt", "response", "documents", "document", "title", "path", "rule"), pl.String),
        **{"start": pl.Int64, "stop": pl.Int64, "cluster": pl.Int32, "round": pl.Int32},
    }
)


def extraction_table(name: str, spec: ExtractionSpec, graph: Graph) -> Table:
    """Return the table of one file in ``extractions/``."""
    documents = [("documents", other) for other in spec.documents]
    vectors = [(DOCUMENT_EMBEDDINGS.name, spec.encoder.slug, other) for other in spec.documents]
    reads: list[Key] = [*documents, *vectors, ("targets", spec.target)]
    said = spec.model_dump(mode="json", exclude={"doc", "paper", "encoder", "extractor"})
    if spec.extractor:
        decides = spec.extractor.model_dump(mode="json", exclude={"provider", "limits", "price"})
        asked = spec.extractor.provider
        said["extractor"] = decides | (asked.decides() if isinstance(asked, EndpointSpec) else {})
    fingerprint = digest([EXTRACTIONS.version, said, encoder_code(spec.encoder), spec.encoder.layers])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = input_versions(warehouse, reads, graph)
        if spec.extractor and isinstance(spec.extractor.provider, LocalSpec):
            inputs = {**inputs, "model": digest(providers.decides(spec.extractor.provider, warehouse))}
        return Expected((EXTRACTIONS.name, name), fingerprint, inputs)

    by = f"by the model `{spec.extractor.provider.called}`" if spec.extractor else "by rules"
    return Table(
        kind=EXTRACTIONS,
        key=(EXTRACTIONS.name, name),
        description=(
            f"{spec.doc}\n\nRows drawn out of at most {spec.budget:.0%} of the documents, {by}: those of the "
            f"clusters whose rows are like `{spec.target}`. A file of `sources/` that says `uri: extraction:{name}` "
            f"makes them part of the pool. Source: {spec.paper}"
        ),
        group="selections",
        reads=reads,
        expect=expect,
        build=partial(_build, name, spec),
        checks={"spans_hold_the_rows": "every span lies inside its document"},
        on_demand=True,
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=fingerprint,
        columns={
            "documents": "The file of `documents/`.",
            "document": "The row id of the document.",
            "rule": "That drew the row.",
            "start": "First character of the span in the document.",
            "stop": "Behind its last character.",
        },
    )


@dataclass(eq=False)
class _Reading:
    """What is at hand while documents are read.

    Attributes:
        spec: the file.
        documents: one line per document, by row id: ``row_id``, ``documents``, ``title``, ``text``, ``path``.
        vectors: (n, d) theirs.
        encoder: of rows.
        extract: draws the rows of documents.
    """

    spec: ExtractionSpec
    documents: pl.DataFrame
    vectors: np.ndarray
    encoder: "Encoder"
    extract: Extract

    def draw(self, documents: Sequence[int]) -> list[list[Drawn]]:
        """Return the rows of each document."""
        texts = self.documents.select("title", "text")
        return self.extract([Document(title or "", text) for title, text in map(texts.row, documents)])

    def encode(self, conversations: Sequence[Sequence[dict[str, str]]]) -> np.ndarray:
        """Return (n, d) vectors of conversations."""
        found = self.encoder.encode(list(conversations))
        return np.asarray(found.layers[self.encoder.layers[-1]], np.float64)


def _build(name: str, spec: ExtractionSpec, step: Step) -> Built:
    warehouse = step.warehouse
    documents, vectors = read_documents(spec, warehouse)
    examples = warehouse.lake.scan(("targets", spec.target)).sort("row_id").collect()
    model = ModelExtractor(name, spec.extractor, warehouse) if spec.extractor else None
    with load_encoder(warehouse, spec.encoder.model_dump(mode="json")) as encoder, model or nullcontext():
        reading = _Reading(spec, documents, vectors, encoder, model or by_rules(spec))
        shared, warmed = _warm_up(reading)
        aims = shared.of(reading.encode(examples["messages"].to_list()))
        mapped = shared.of(vectors)
        labels, k = _clusters(spec, mapped)
        keys = hash_keys(documents["row_id"].to_numpy().astype(np.str_), spec.seed)
        members = [own[np.argsort(keys[own], kind="stable")] for own in (np.flatnonzero(labels == c) for c in range(k))]
        rounds, sweep, most = _begin(spec, mapped, labels, members, aims, len(warmed))
        rows = _carry_out(step, reading, rounds, members, shared, aims, most)
    table = _rows(reading, rows)
    path = rounds_frame(rounds.tries, _titles(documents, labels, k)).drop("accepted")
    lake, expected = warehouse.lake, step.expected
    lake.write(Expected(("extraction_rounds", *expected.key[1:]), expected.fingerprint, expected.inputs), path)
    read = rounds.looked_at + len(warmed)
    info = lake.write(expected, table, meta={"documents_read": read})
    lake.clear_shards(expected.key)
    empty = rounds.looked_at - table["document"].n_unique()
    inside = _inside(table, documents)
    way = path_shown(path.with_columns(accepted=pl.col("looked_at")), k, "likeness to the target")
    shown = {
        "documents": documents.height,
        "documents_read": read,
        "share_read": round(read / documents.height, 4),
        "read_for_the_warm_up": len(warmed),
        "read_without_a_row": empty,
        **(model.facts() if model else {}),
        "recall_of_own_rows": f"{shared.recall_before:.2f} before the warm-up, {shared.recall:.2f} after it",
        "share_of_tries_for_a_first_sweep": round(sweep, 3),
        **way,
        "rules": counts_table(dict(table["rule"].value_counts(sort=True).rows()), "rule", "rows"),
        "files": counts_table(dict(table["documents"].value_counts(sort=True).rows()), "documents", "rows"),
        "rows": sample_table(_sample(table), ["rule", "prompt", "response", "path"], rows=SHOWN),
        "target": table_link("targets", spec.target),
    }
    return Built(info, table.height, metadata=shown, checks={"spans_hold_the_rows": inside})


def read_documents(spec: ExtractionSpec, warehouse: Warehouse) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the documents of all files, each once, by row id, and their vectors."""
    frames = []
    for name in spec.documents:
        key = (DOCUMENT_EMBEDDINGS.name, spec.encoder.slug, name)
        layer = layer_column(max(warehouse.lake.require(key).meta["layers"]))
        texts = warehouse.lake.scan(("documents", name)).select("row_id", "title", "text", "path")
        vectors = warehouse.lake.scan(key).select("row_id", vector=layer)
        frames.append(texts.with_columns(documents=pl.lit(name)).join(vectors, on="row_id").collect())
    found = pl.concat(frames).unique("row_id", keep="first", maintain_order=True).sort("row_id")
    return found.drop("vector"), vectors_of(found["vector"]).astype(np.float64)


def _warm_up(reading: _Reading) -> tuple[SharedMap, np.ndarray]:
    """Return the map, and the documents that it was learned from."""
    spec, warm = reading.spec, reading.spec.warm_up
    if not isinstance(warm, WarmUpSpec):
        same = SharedMap(np.eye(reading.vectors.shape[1]), float("nan"), float("nan"), 0)
        return same, np.empty(0, np.int64)
    ids = reading.documents["row_id"].to_numpy().astype(np.str_)
    chosen = hash_sample(ids, max(1, int(warm.share * len(ids))), spec.seed)
    drawn = [
        (place, row)
        for place, rows in enumerate(reading.draw(chosen.tolist()))
        for row in _some(rows, WARM_ROWS, spec.seed)
    ]
    rows = reading.encode([_conversation(row) for _, row in drawn]) if drawn else reading.vectors[:0]
    owner = np.array([place for place, _ in drawn], np.int64)
    how = {"dims": warm.dims, "steps": warm.steps, "temperature": warm.temperature, "rate": warm.rate}
    return fit_shared_map(reading.vectors[chosen], rows, owner, seed=spec.seed, **how), chosen


def _clusters(spec: ExtractionSpec, mapped: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the cluster of each document, and how many there are."""
    auto = min(MOST_CLUSTERS, max(1, len(mapped) // DOCUMENTS_PER_CLUSTER))
    points = mapped.astype(np.float32)
    model = kmeans.fit_clusters(points, auto if spec.clusters == "auto" else spec.clusters, spec.seed)
    return kmeans.assign(model, points)[0], model.k


def _begin(
    spec: ExtractionSpec,
    mapped: np.ndarray,
    labels: np.ndarray,
    members: list[np.ndarray],
    aims: np.ndarray,
    warmed: int,
) -> tuple[ProbeRounds, float, int]:
    """Return the rounds before the first one, the share of a first sweep, and how many documents may be read."""
    most = int(spec.budget * len(mapped)) - warmed
    if most < 1:
        raise ValueError(
            f"the budget of {spec.budget:.1%} of {len(mapped):,} documents is used up by the {warmed:,} of the "
            "warm-up: raise 'budget', or lower 'warm_up.share'"
        )
    means = np.stack([mapped[own].mean(axis=0) if len(own) else np.zeros(mapped.shape[1]) for own in members])
    spreads = np.stack([mapped[own].var(axis=0) if len(own) else np.zeros(mapped.shape[1]) for own in members])
    has_prior = spec.bandit.prior == "similarity"
    filled = sum(1 for own in members if len(own))
    sweep = sweep_share(filled, -(-most // spec.probe), has_prior=has_prior)
    lengths = np.maximum(np.linalg.norm(means, axis=1), 1e-12)
    rule = Ucb(
        len(members),
        exploration=spec.bandit.exploration,
        prior=means @ aims.mean(axis=0) / lengths if has_prior else None,
        prior_weight=spec.bandit.prior_weight,
        sharing=neighbour_weights(gaussian_distances(means, spreads), spec.bandit.neighbours),
        seed=spec.seed,
    )
    return ProbeRounds([len(own) for own in members], rule, arms=spec.arms, probe=spec.probe), sweep, most


def _carry_out(
    step: Step,
    reading: _Reading,
    rounds: ProbeRounds,
    members: list[np.ndarray],
    shared: SharedMap,
    aims: np.ndarray,
    most: int,
) -> list[dict[str, Any]]:
    """Go through the rounds; return what was drawn: ``document`` (its place), ``cluster``, ``round`` and the row."""
    spec = reading.spec
    state = step.warehouse.lake.shard_folder(step.expected) / f"{digest(dict(step.expected.inputs))}.json"
    found = _resume(state, rounds)
    while rounds.looked_at < most and (proposed := rounds.propose(most - rounds.looked_at)):
        rewards = []
        for arm, at in proposed:
            places = members[arm][at].tolist()
            drawn = [(place, row) for place, own in zip(places, reading.draw(places), strict=True) for row in own]
            reward = float("nan")
            if drawn:
                # The reward is that of samples, so that only these need vectors.
                some = _some([row for _, row in drawn], DRAWS * spec.at, spec.seed)
                vectors = shared.of(reading.encode([_conversation(row) for row in some]))
                reward = likeness(vectors, aims, spec.at, DRAWS, spec.seed)
            rewards.append((arm, at, reward))
            where = {"cluster": arm, "round": rounds.round + 1}
            found += [{"document": place, **where, **asdict(row)} for place, row in drawn]
        rounds.settle(rewards)
        state.parent.mkdir(parents=True, exist_ok=True)
        write_json(state, {"rounds": rounds.state(), "rows": found})
        step.log.info(f"{step.stage}: round {rounds.round}: {rounds.looked_at:,} documents read, {len(found):,} rows")
        step.progress(rounds.looked_at, most)
    return found


def _resume(state: Path, rounds: ProbeRounds) -> list[dict[str, Any]]:
    """Go on from what a killed step has left, where it has left anything."""
    if not state.is_file():
        return []
    kept = json.loads(state.read_text("utf-8"))
    rounds.restore(kept["rounds"])
    return kept["rows"]


def _rows(reading: _Reading, found: list[dict[str, Any]]) -> pl.DataFrame:
    """Return the table of what was drawn; of equal rows the first."""
    documents = reading.documents.rows(named=True)
    lines = []
    for row in found:
        of = documents[row["document"]]
        own = {"documents": of["documents"], "document": of["row_id"], "title": of["title"], "path": of["path"]}
        row_id = digest([row["prompt"], row["response"]])
        lines.append({**row, **own, "row_id": row_id})
    table = pl.DataFrame(lines, schema_overrides=SCHEMA) if lines else SCHEMA.to_frame()
    return table.select(SCHEMA.names()).cast(SCHEMA).unique("row_id", keep="first", maintain_order=True)


def _some(rows: Sequence[Drawn], most: int, seed: int) -> list[Drawn]:
    """Return at most so many rows, by the hash of what they say."""
    ids = [digest([row.prompt, row.response]) for row in rows]
    return [rows[place] for place in np.sort(hash_sample(ids, most, seed))]


def _conversation(row: Drawn) -> list[dict[str, str]]:
    return [{"role": "user", "content": row.prompt}, {"role": "assistant", "content": row.response}]


def _titles(documents: pl.DataFrame, labels: np.ndarray, k: int) -> list[str]:
    names = [title or path for title, path in documents.select("title", "path").iter_rows()]
    return kmeans.titles(labels, names, k=k)


def _inside(table: pl.DataFrame, documents: pl.DataFrame) -> Check:
    lengths = documents.select(document="row_id", length=pl.col("text").str.len_chars())
    beyond = table.join(lengths, on="document").filter(
        (pl.col("start") >= pl.col("stop")) | (pl.col("stop") > pl.col("length"))
    )
    return Check(beyond.is_empty(), {"rows": table.height, "beyond": beyond.height})


def _sample(table: pl.DataFrame) -> pl.DataFrame:
    """Return rows to look at, spread over the table by their ids."""
    shown = table.sort("row_id").head(SHOWN)
    return shown.with_columns(pl.col("prompt", "response").str.slice(0, 200))
