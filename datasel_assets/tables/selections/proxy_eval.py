"""Assets that try a selection out: a small model trained on it, on random rows, on the whole pool."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.outcomes import outcomes, summary
from datasel_assets.specs.proxy_eval import ProxyEvalSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.language_models.language_models import proxy_key, trained_folder
from datasel_assets.tables.shown import picture, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse

SMALLEST_SET = 5
"""Sources with fewer held-out rows than this are measured together."""

COUNTED_ROWS = 1024
"""Rows whose tokens are counted at a time, until there are enough."""


def proxy_eval_asset(recipe: str, spec: ProxyEvalSpec, model: str, targets: Sequence[str]) -> Table:
    """Return the asset that tries out the selection of one recipe.

    Args:
        recipe: whose selection.
        spec: how the arms are trained.
        model: a proxy of ``language_models/``, the common start.
        targets: query sets whose responses are held out too.
    """
    fingerprint = digest([versions.PROXY_EVAL, spec.model_dump(mode="json"), model])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        found = {"/".join(key): warehouse.lake.version(key) for key in (("selections", recipe), proxy_key(model))}
        found |= {f"targets/{name}": warehouse.lake.version(("targets", name)) for name in targets}
        return Expected(("proxy_eval", recipe), fingerprint, found | warehouse.versions("corpus"))

    def build(step: Step) -> Built:
        losses, cost = _train(step, recipe, spec, model, targets)
        found = outcomes(losses)
        info = step.warehouse.lake.write(step.expected, losses)
        said = summary(found, recipe)
        return Built(
            info,
            losses.height,
            metadata={
                "verdict": said,
                "plot: outcomes": picture(plots.outcomes(found, recipe), f"held-out loss against random rows: {said}"),
                "outcomes": sample_table(found, found.columns, rows=found.height),
                **cost,
                "selection": table_link("selections", recipe),
            },
            checks={"held_out_is_unseen": Check(cost["held_out_rows_in_training"] == 0)},
        )

    return Table(
        key=("proxy_eval", recipe),
        description=(
            f"`{model}` trained a little further on the selection of `{recipe}`, on random rows with as many tokens "
            f"and on the whole pool, {spec.seeds} times each, and its loss on rows and targets that no arm has seen. "
            "Made on request only: `make evidence`, or the button on this page."
        ),
        group="evidence",
        reads=[("corpus",), ("selections", recipe), proxy_key(model), *(("targets", name) for name in targets)],
        expect=expect,
        build=build,
        checks={"held_out_is_unseen": "no arm may train on a copy of a held-out row"},
        runs_model=True,
        on_demand=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=fingerprint,
        columns={
            "set": "held-out rows of a source, or the responses of a target",
            "arm": "what the model was trained on",
            "seed": "repetition; equal seeds are compared with each other",
            "loss": "mean negative log-probability of a response token, in nats",
            "tokens": "response tokens of the set",
        },
    )


def _train(
    step: Step, recipe: str, spec: ProxyEvalSpec, model: str, targets: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return one line per held-out set, arm and seed, and what the arms cost."""
    from datasel_assets.models.fine_tune import FineTuneSpec, ProxyStart, training_tokens

    warehouse = step.warehouse
    pool = pl.concat(
        warehouse.lake.scan(("corpus", source)).select("row_id", "source", "content_hash", "messages")
        for source in warehouse.active_sources()
    )
    pool = pool.collect().rechunk()
    start = ProxyStart(trained_folder(warehouse, model), warehouse.settings.device)
    training, unseen = start.sides(pool)
    held_out = _held_out(warehouse, pool[unseen], spec.held_out_rows, targets)
    copies = pool["content_hash"].gather(unseen).is_in(pool["content_hash"].gather(training).implode())
    selected = warehouse.lake.scan(("selections", recipe)).select("row_id").collect()["row_id"]
    chosen = training[pool["row_id"].is_in(selected.implode()).to_numpy()[training]]
    if not len(chosen):
        raise ValueError(f"all {len(selected):,} rows that {recipe} selected are held out: nothing to train on")

    def count(rows: np.ndarray) -> np.ndarray:
        return start.row_tokens(pool["messages"].gather(rows))

    once = int(count(chosen).sum())
    settings = FineTuneSpec.model_validate(spec.model_dump(include=set(FineTuneSpec.model_fields)))
    tokens = training_tokens(once, spec.epochs)
    runs = [("start", 0), *((arm, seed) for seed in range(spec.seeds) for arm in _arms(recipe, spec))]
    rows, seconds = [], dict.fromkeys(["start", *_arms(recipe, spec)], 0.0)
    for done, (arm, seed) in enumerate(runs):
        if arm == "start":
            rows_of_arm = training[:0]
        elif arm == recipe:
            rows_of_arm = chosen
        else:
            drawn = np.random.default_rng(seed).permutation(training)
            rows_of_arm = _enough(drawn, once if arm == "random" else tokens, count)
        result = start.measure(pool[rows_of_arm], tokens, settings, seed, held_out)
        for s in range(spec.seeds) if arm == "start" else [seed]:
            rows += [(name, arm, s, loss, result.tokens[name]) for name, loss in result.losses.items()]
        seconds[arm] += result.seconds
        step.progress(done + 1, len(runs))
    schema = {"set": pl.String, "arm": pl.String, "seed": pl.Int32, "loss": pl.Float64, "tokens": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row"), {
        "training_tokens": tokens,
        "selected_rows_trained_on": len(chosen),
        "selected_rows_held_out": len(selected) - len(chosen),
        "held_out_rows": sum(len(found) for found in held_out.values()),
        "held_out_rows_in_training": int(copies.sum()),
        **{f"seconds: {arm}": round(value, 1) for arm, value in seconds.items()},
    }


def _arms(recipe: str, spec: ProxyEvalSpec) -> list[str]:
    others = ["random", *(["full pool"] if spec.full_pool else [])]
    # The random recipe is compared with another draw.
    return [recipe, *(name for name in others if name != recipe)]


def _enough(rows: np.ndarray, wanted: int, count: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the first rows that hold ``wanted`` tokens together, or all of them."""
    taken = total = 0
    while taken < len(rows):
        sums = total + np.cumsum(count(rows[taken : taken + COUNTED_ROWS]))
        if sums[-1] >= wanted:
            return rows[: taken + int(np.searchsorted(sums, wanted)) + 1]
        taken, total = taken + len(sums), int(sums[-1])
    return rows


def _held_out(warehouse: Warehouse, unseen: pl.DataFrame, most: int, targets: Sequence[str]) -> dict[str, list[Any]]:
    """Return the held-out conversations by set: the first of each source, small ones together, and targets."""
    rows = unseen.group_by("source", maintain_order=True).head(most)
    sizes = rows.group_by("source").len()
    small = sizes.filter(pl.col("len") < SMALLEST_SET)["source"].implode()
    other = pl.col("source").is_in(small)
    named = rows.with_columns(set=pl.when(other).then(pl.lit("other sources")).otherwise("source: " + pl.col("source")))
    found = {key[0]: part["messages"].to_list() for key, part in named.group_by("set")}
    for name in targets:
        found[f"target: {name}"] = warehouse.lake.scan(("targets", name)).collect()["messages"].to_list()
    return {name: found[name] for name in sorted(found)}
