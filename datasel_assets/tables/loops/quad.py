"""Quad: clusters of the pool in rounds, by the influence of a few rows of each (arXiv 2409.16986).

Belongs here: the table, and carrying the rounds out. Does not: which cluster is next and what is accepted
(``bandits``), what influence is (``indicators.influence``), gradients (``models``).

The rounds so far are written down after each round, so that a step that was killed goes on with the next one.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.bandits.first_sweep import sweep_share
from datasel_assets.bandits.neighbours import centroid_distances, neighbour_weights
from datasel_assets.bandits.probe_rounds import ProbeRounds, Try
from datasel_assets.bandits.ucb import Ucb
from datasel_assets.clusters import ClusterModel
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.influence import InfluenceSpec
from datasel_assets.specs.loop import QuadSpec
from datasel_assets.storage.atomic import write_json
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.inputs import input_versions
from datasel_assets.tables.loops.outcome import LOOPS, path_shown, publish, rounds_frame
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.row_table import RowTable
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.influence import INFLUENCE, compare, exact_rows, influence_tables
from datasel_assets.tables.scores.influence_targets import INFLUENCE_TARGETS
from datasel_assets.tables.scores.projected_influence import compare_stored, projected_score
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Check, Graph, Step, Table
from datasel_assets.tables.vectors.clusters import cluster_titles
from datasel_assets.tables.vectors.curvature import Differentiated
from datasel_assets.tables.vectors.gradients import GRADIENTS
from datasel_assets.tables.vectors.representations import layers_of, target_vectors
from datasel_assets.tables.warehouse import Warehouse


def quad_tables(name: str, registry: Registry, graph: Graph) -> list[Table]:
    """Return the directions of the target and the table of the file ``loops/<name>.yaml``."""
    spec, clustered = registry.loops[name], registry.clustered
    assert isinstance(spec, QuadSpec)
    assert clustered is not None, "the registry keeps no such file without clusters"
    influence = registry.scores[spec.influence]
    assert isinstance(influence, InfluenceSpec)
    directions = [table for table in influence_tables(spec.influence, registry) if table.kind is INFLUENCE_TARGETS]
    reads = _reads(spec, clustered, influence, registry)
    said = spec.model_dump(mode="json", exclude={"doc", "paper"})
    fingerprint = digest([LOOPS.version, INFLUENCE.version, said, influence.model_dump(mode="json"), clustered])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return Expected((LOOPS.name, name), fingerprint, input_versions(warehouse, reads, graph))

    loop = Table(
        kind=LOOPS,
        key=(LOOPS.name, name),
        description=(
            f"{spec.doc}\n\nIn each of at most {spec.rounds} rounds {spec.arms} clusters of `{clustered}` are tried: "
            f"the gradients of {spec.probe} rows tell their influence on {influence.aim}, and where its mean is "
            f"above {spec.tau:g} these rows and the next {spec.accept} of the cluster are accepted. Source: "
            f"{spec.paper}"
        ),
        group="selections",
        reads=[*reads, *_model_of(influence, registry).reads()],
        expect=expect,
        build=partial(_build, spec, influence, clustered),
        checks={"some_rows_were_accepted": "at least one try exceeded the threshold"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=fingerprint,
        columns={
            "score": "Mean influence of the rows that were looked at when this one was accepted; null: it was not.",
            "told": "The round and the cluster of the try that decided on the row, in words.",
            "influence": "The row's own influence; null for rows whose gradient was not taken.",
        },
    )
    return [*directions, loop]


def _model_of(influence: InfluenceSpec, registry: Registry) -> Differentiated:
    gradients = registry.gradients[influence.gradients]
    return Differentiated(influence.gradients, gradients, registry.language_models[gradients.model])


def _reads(spec: QuadSpec, clustered: str, influence: InfluenceSpec, registry: Registry) -> list[Key]:
    keys: list[Key] = [("corpus",), ("duplicates",), ("clusters", clustered), ("cluster_models", clustered)]
    keys.append((INFLUENCE_TARGETS.name, spec.influence))
    if _stored(influence):
        keys.append((GRADIENTS.name, influence.gradients))
    if spec.bandit.prior == "similarity":
        target = layers_of(registry.representations[clustered]).target_key(str(influence.target))
        keys += [target, ("representation_basis", clustered)]
    return keys


def _stored(influence: InfluenceSpec) -> bool:
    """Tell whether rows are compared in their stored gradients, which then are there for the whole pool."""
    return influence.precondition == "gram"


# ------------------------------------------------------------------------------------------------------------- rounds
def _build(spec: QuadSpec, influence: InfluenceSpec, clustered: str, step: Step) -> Built:
    warehouse = step.warehouse
    titles = cluster_titles(warehouse, clustered)
    pool = read_pool(warehouse, clusters=clustered).sort("row_id")
    members = _members(pool, len(titles), spec.seed)
    rounds, sweep = _begin(spec, influence, clustered, warehouse, members)
    found = _carry_out(step, spec, influence, rounds, members, pool)
    rows = _rows(pool, members, rounds.tries, found, titles, spec)
    path = rounds_frame(rounds.tries, titles)
    chosen = rows["score"].count()
    info = publish(step, rows, path, meta={"rows_looked_at": len(found)})
    warehouse.lake.clear_shards(step.expected.key)
    taken = pool.height if _stored(influence) else len(found)
    aim = table_link("targets", influence.target) if influence.target is not None else influence.aim
    shown = {
        "rows_looked_at": len(found),
        "gradients_taken": taken,
        "share_of_the_pool": round(taken / pool.height, 4),
        "rows_accepted": chosen,
        "tries_above_the_threshold": sum(each.accepted for each in rounds.tries),
        "share_of_tries_for_a_first_sweep": round(sweep, 3),
        "without_influence": sum(1 for value in found.values() if value is None),
        **path_shown(path, len(titles), "mean influence"),
        "target": aim,
        "model of the clusters": table_link("cluster_models", clustered),
    }
    if _stored(influence):
        shown["note"] = "the Gram matrix is that of the whole pool, so the gradients of all rows were taken first"
    checks = {"some_rows_were_accepted": Check(chosen > 0, {"rows": chosen, "tau": spec.tau})}
    return Built(info, len(found), metadata=shown, checks=checks, rows_total=pool.height)


def _members(pool: pl.DataFrame, clusters: int, seed: int) -> list[np.ndarray]:
    """Return the positions of the rows of each cluster, by a hash of their ids; without copies."""
    usable = (pool["cluster"].is_not_null() & pool["duplicate_of"].is_null()).to_numpy()
    labels = pool["cluster"].fill_null(-1).to_numpy()
    keys = hash_keys(pool["row_id"].to_numpy().astype(np.str_), seed)
    order = np.lexsort((np.arange(pool.height), keys))
    order = order[usable[order]]
    return [order[labels[order] == cluster] for cluster in range(clusters)]


def _begin(
    spec: QuadSpec, influence: InfluenceSpec, clustered: str, warehouse: Warehouse, members: list[np.ndarray]
) -> tuple[ProbeRounds, float]:
    """Return the rounds before the first one, and the share of the tries that a sweep through all clusters takes."""
    lake, bandit = warehouse.lake, spec.bandit
    centroids = ClusterModel.from_arrays(lake.read_arrays(("cluster_models", clustered))).centroids
    prior = None
    if bandit.prior == "similarity":
        represented = warehouse.registry.representations[clustered]
        _, examples = target_vectors(warehouse, clustered, represented, str(influence.target))
        mean = examples.astype(np.float64).mean(axis=0)
        prior = centroids.astype(np.float64) @ (mean / max(np.linalg.norm(mean), 1e-12))
    filled = sum(1 for own in members if len(own))
    sweep = sweep_share(filled, spec.arms * spec.rounds, has_prior=prior is not None)
    rule = Ucb(
        len(members),
        exploration=bandit.exploration,
        prior=prior,
        prior_weight=bandit.prior_weight,
        sharing=neighbour_weights(centroid_distances(centroids), bandit.neighbours),
        seed=spec.seed,
    )
    sizes = [len(own) for own in members]
    how = {"arms": spec.arms, "probe": spec.probe, "accept": spec.accept, "threshold": spec.tau}
    return ProbeRounds(sizes, rule, **how), sweep


def _carry_out(
    step: Step,
    spec: QuadSpec,
    influence: InfluenceSpec,
    rounds: ProbeRounds,
    members: list[np.ndarray],
    pool: pl.DataFrame,
) -> dict[str, float | None]:
    """Go through the rounds; return row id -> influence of the rows that were looked at, None without a gradient."""
    warehouse = step.warehouse
    # What was found for other rows or another model must not be gone on from.
    state = warehouse.lake.shard_folder(step.expected) / f"{digest(dict(step.expected.inputs))}.json"
    found = _resume(state, rounds)
    if rounds.round >= spec.rounds or not rounds.propose():
        return found
    own = _model_of(influence, warehouse.registry)
    rows, measure = exact_rows(spec.influence, influence, own), compare
    if _stored(influence):
        rows, measure = projected_score(spec.influence, influence, own), compare_stored
    assert rows.load, "both load models or directions"
    work = rows.work(step)
    context = Context(warehouse, None, ("score",), work.arguments, rows.load(warehouse, **work.arguments))
    while rounds.round < spec.rounds and (proposed := rounds.propose()):
        wanted = pool[np.concatenate([members[arm][at] for arm, at in proposed])]
        values = _influence(_read(warehouse, rows, wanted, [*work.reads]), context, measure)
        found |= values
        rewards = [(arm, at, _mean([values[row] for row in pool[members[arm][at]]["row_id"]])) for arm, at in proposed]
        done = rounds.settle(rewards)
        state.parent.mkdir(parents=True, exist_ok=True)
        write_json(state, {"rounds": rounds.state(), "influence": found})
        step.log.info(f"{step.stage}: round {rounds.round}: {', '.join(_short(each) for each in done)}")
        step.progress(rounds.round, spec.rounds)
    return found


def _resume(state: Path, rounds: ProbeRounds) -> dict[str, float | None]:
    """Go on from what a killed step has left, where it has left anything."""
    if not state.is_file():
        return {}
    kept = json.loads(state.read_text("utf-8"))
    rounds.restore(kept["rounds"])
    return kept["influence"]


def _read(warehouse: Warehouse, rows: RowTable, wanted: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return ``row_id`` and some columns for a few rows, by id: the same rows make the same batches."""
    frames = [
        warehouse.lake.scan((*rows.rows_of, source)).filter(pl.col("row_id").is_in(own["row_id"].implode()))
        for (source,), own in wanted.group_by("source", maintain_order=True)
    ]
    return pl.concat(frame.select("row_id", *columns) for frame in frames).collect().sort("row_id")


def _influence(
    rows: pl.DataFrame, context: Context, measure: Callable[[pl.DataFrame, Context], pl.DataFrame]
) -> dict[str, float | None]:
    """Return row id -> influence; None for a row without a value, and for one whose gradient is no number.

    Rows without a response token have none, nor have those by whose loss the others are judged.
    """
    try:
        scores = measure(rows, context)
    except ValueError:
        if rows.height == 1:
            return {rows["row_id"][0]: None}
        parts = (_influence(row, context, measure) for row in rows.iter_slices(1))
        return {key: value for part in parts for key, value in part.items()}
    return dict(scores.select("row_id", pl.col("score").cast(pl.Float64).fill_nan(None)).iter_rows())


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


# --------------------------------------------------------------------------------------------------------------- rows
def _rows(
    pool: pl.DataFrame,
    members: list[np.ndarray],
    tries: list[Try],
    found: dict[str, float | None],
    titles: list[str],
    spec: QuadSpec,
) -> pl.DataFrame:
    """Return a line for every row of the pool, with what decided on it."""
    score, number = np.full(pool.height, np.nan), np.zeros(pool.height, np.int32)
    told = np.full(pool.height, "it repeats another row, or belongs to no cluster", dtype=object)
    for arm, own in enumerate(members):
        told[own] = f"its cluster '{titles[arm]}' was never tried"
    for each in tries:
        own, name = members[each.arm], titles[each.arm]
        place = f"round {each.round}, cluster '{name}'"
        what = f"influence {_figure(each.reward)}" if each.measured else "no row of the try has an influence"
        looked = own[each.start : each.stop]
        number[looked] = each.round
        told[looked] = f"{place}, {what}, not above {spec.tau:g}"
        taken = own[each.start : each.end]
        number[taken], score[taken], told[taken] = each.round, each.reward, f"{place}, {what}"
        rest = max(each.stop, each.end)
        told[own[rest:]] = f"the tries of its cluster '{name}' did not reach it; the last, in {place}: {what}"
    return pool.select("row_id", "source").with_columns(
        score=pl.Series(score).fill_nan(None).cast(pl.Float32),
        told=pl.Series(told.tolist(), dtype=pl.String),
        round=pl.Series(number).replace(0, None),
        cluster=pool["cluster"],
        influence=pool["row_id"].replace_strict(found, default=None, return_dtype=pl.Float32)
        if found
        else pl.lit(None, pl.Float32),
    )


def _figure(value: float) -> str:
    return f"{value:.4f}".replace("0.", ".", 1)


def _short(each: Try) -> str:
    return f"{each.arm} {_figure(each.reward)}{' accepted' if each.accepted else ''}"
