"""Tables that try a selection out: a small model trained on it, on random rows, on the whole pool."""

from collections.abc import Sequence

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.outcomes import outcomes, summary
from datasel_assets.models.try_out import TriedOut, try_out
from datasel_assets.specs.proxy_eval import ProxyEvalSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.release.weights import MOST_COPIES, Weights
from datasel_assets.tables.language_models.conversations import pool_conversations
from datasel_assets.tables.shown import picture, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.trained_models import proxy_key, trained_folder
from datasel_assets.tables.warehouse import Warehouse

PROXY_EVAL = Kind("proxy_eval", version="2", per="recipe", job="evidence")


def proxy_eval_table(
    recipe: str, spec: ProxyEvalSpec, model: str, targets: Sequence[str], weights: Weights | None = None
) -> Table:
    """Return the table that tries out the selection of one recipe.

    Args:
        recipe: whose selection.
        spec: how the arms are trained.
        model: a proxy of ``language_models/``, the common start.
        targets: query sets whose responses are held out too.
        weights: how the weights of the selection are released; None where it has none. What a trainer of the release
            would see is what is tried out.
    """
    told = [] if weights is None else [{"weights": weights}]
    fingerprint = digest([PROXY_EVAL.version, spec.model_dump(mode="json"), model, *told])
    key = (PROXY_EVAL.name, recipe)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        found = {"/".join(key): warehouse.lake.version(key) for key in (("selections", recipe), proxy_key(model))}
        found |= {f"targets/{name}": warehouse.lake.version(("targets", name)) for name in targets}
        return Expected(key, fingerprint, found | warehouse.versions("corpus"))

    def build(step: Step) -> Built:
        tried = _try_out(step, recipe, spec, model, targets, weights)
        found = outcomes(tried.losses)
        info = step.warehouse.lake.write(step.expected, tried.losses)
        said = summary(found, recipe)
        return Built(
            info,
            tried.losses.height,
            metadata={
                "verdict": said,
                "plot: outcomes": picture(plots.outcomes(found, recipe), f"held-out loss against random rows: {said}"),
                "outcomes": sample_table(found, found.columns, rows=found.height),
                "training_tokens": tried.tokens,
                "selected_rows_trained_on": tried.chosen,
                "selected_rows_held_out": tried.selected - tried.chosen,
                "held_out_rows": tried.held_out,
                "held_out_rows_in_training": tried.seen,
                **{f"seconds: {arm}": round(value, 1) for arm, value in tried.seconds.items()},
                "selection": table_link("selections", recipe),
            },
            checks={"held_out_is_unseen": Check(tried.seen == 0)},
        )

    return Table(
        kind=PROXY_EVAL,
        key=key,
        description=(
            f"`{model}` trained a little further on the selection of `{recipe}`, on random rows with as many tokens "
            f"and on the whole pool, {spec.seeds} times each, and its loss on rows and targets that no arm has seen. "
            "Made on request only: `make evidence`, or the button on this page."
        ),
        group="comparison",
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


def _try_out(
    step: Step, recipe: str, spec: ProxyEvalSpec, model: str, targets: Sequence[str], how: Weights | None
) -> TriedOut:
    from datasel_assets.models.fine_tune import ProxyStart

    warehouse = step.warehouse
    start = ProxyStart(trained_folder(warehouse, model), warehouse.settings.device)
    selected = warehouse.lake.scan(("selections", recipe)).select("row_id", "weight").collect()
    weights = None
    if how in ("column", "repeat"):
        weights = dict(selected.iter_rows())
    aims = {name: warehouse.lake.scan(("targets", name)).collect()["messages"].to_list() for name in targets}
    return try_out(
        start,
        pool_conversations(warehouse),
        recipe,
        selected["row_id"],
        spec,
        aims,
        step.progress,
        weights,
        MOST_COPIES if how == "repeat" else None,
    )
