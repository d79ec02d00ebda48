"""The table of one file in ``ratio/``: trainings on more and more of what a recipe selects, beside random rows.

Belongs here: which rows each training reads, publishing, the page. Does not: selecting (``recipes``), the answer
(``runs.knee``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.models.proxy_rows import Pool, draw_rows, split_rows
from datasel_assets.models.run_trainings import Trained
from datasel_assets.recipes.interpreter import run_recipe
from datasel_assets.registry.registry import Registry
from datasel_assets.runs.fill import fill
from datasel_assets.runs.knee import Curve, answer, knee
from datasel_assets.runs.names import OVERALL, SOURCE, TARGET
from datasel_assets.schema import suggestion
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.specs.ratio import RatioSpec
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.inputs import input_versions
from datasel_assets.tables.language_models.conversations import pool_conversations
from datasel_assets.tables.runs.carry_out import carry_out
from datasel_assets.tables.runs.parts import measured_targets, read_measured
from datasel_assets.tables.selections.recipe_inputs import PoolInputs, candidate_pool, recipe_reads
from datasel_assets.tables.shown import picture, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Graph, Kind, Step, Table
from datasel_assets.tables.trained_models import causal_spec, model_tables, model_version
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.train.texts import Texts

RATIO = Kind("ratio", per="recipe", companions=("ratio_losses", "ratio_costs"), job="runs")
SELECTED, RANDOM = "selected", "random"
ANSWERED = ("tolerance", "toward")
"""Keys of a file that say what is made of its trainings, and nothing of the trainings."""

LOSSES = {
    "fraction": pl.Float64,
    "arm": pl.String,
    "seed": pl.Int32,
    "set": pl.String,
    "loss": pl.Float64,
    "rows": pl.Int64,
    "tokens": pl.Int64,
}


@dataclass(frozen=True, eq=False)
class _Arm:
    """One training.

    Attributes:
        fraction: of the pool.
        arm: ``selected`` or ``random``.
        seed: of the order, and of random rows.
        rows: numbers of the different rows, among those that may be trained on.
        selected: rows of the selection at this fraction that may be trained on.
    """

    fraction: float
    arm: str
    seed: int
    rows: np.ndarray
    selected: np.ndarray


def ratio_table(name: str, registry: Registry, graph: Graph) -> Table:
    """Return the table of the file ``ratio/<name>.yaml``, which is about the recipe of that name."""
    spec, recipe = registry.ratio[name], registry.recipes[name]
    model = registry.language_models[spec.model]
    targets = [("targets", target) for target in measured_targets(spec.targets, registry)]
    selecting = recipe_reads(recipe, registry)
    method = {key: value for key, value in recipe.method().items() if key != "budget"}
    per_source = {source: limits.model_dump() for source, limits in recipe.budget.per_source.items()}
    said = spec.model_dump(mode="json", exclude={"doc", "max_minutes", *ANSWERED})
    keep = registry.score_keep()
    kept = {score: keep[score] for score in sorted(recipe.requires().scores)}
    parts = [RATIO.version, said, method, per_source, kept, [key[1] for key in targets], model.causal.model_dump()]
    trained = digest(parts)
    fingerprint = digest([trained, spec.tolerance, spec.toward])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        from datasel_assets.tables.score_names import score_deps, score_inputs

        scored = score_deps(recipe.requires().scores)
        inputs = input_versions(warehouse, [key for key in (*selecting, *targets) if key not in scored], graph)
        inputs |= score_inputs(warehouse, recipe.requires().scores)
        inputs["model"] = model_version(warehouse, spec.model, model)
        return Expected((RATIO.name, name), fingerprint, inputs)

    return Table(
        kind=RATIO,
        key=(RATIO.name, name),
        description=(
            f"{spec.doc}\n\n`{spec.model}` trained on {', '.join(f'{100 * f:g} %' for f in spec.fractions)} of the "
            f"pool as `{name}` selects it, and on random rows with as many tokens, {spec.seeds} times each, with equal "
            f"{spec.equal}: how much is enough? Made on request only."
        ),
        group="comparison",
        reads=list(dict.fromkeys([*selecting, *targets, *model_tables(spec.model, model)])),
        expect=expect,
        build=partial(_build, name, spec, recipe, graph, trained),
        checks={"every_training_has_outcomes": "no training ended without a loss"},
        runs_model=True,
        on_demand=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=fingerprint,
        columns={
            "fraction": "Share of the rows of the pool that the recipe was asked for.",
            "arm": "What was trained on: rows that the recipe selected, or random rows with as many tokens.",
            "seed": "Of the order, and of which rows are random.",
            "set": f"What the loss is of; '{OVERALL}' is the mean of the targets, or of the held-out sets.",
            "loss": "Mean negative log-probability of a response token after the training, in nats, over the seeds.",
            "low": "Lower end of its 95 % interval over the seeds.",
            "high": "Its upper end.",
            "rows": "Rows that were trained on, repetitions counted.",
            "tokens": "Tokens that were read, prompts and repetitions counted.",
            "seconds": "What the training and its measuring took.",
        },
    )


# -------------------------------------------------------------------------------------------------------------- build
def _build(name: str, spec: RatioSpec, recipe: RecipeSpec, graph: Graph, trained: str, step: Step) -> Built:
    lake = step.warehouse.lake
    # The trainings stand by themselves: another tolerance is another answer, and no reason to train again.
    losses = Expected(("ratio_losses", name), trained, step.expected.inputs)
    if not lake.is_current(losses):
        table, costs = _trained(name, spec, recipe, graph, step)
        lake.write(Expected(("ratio_costs", name), trained, step.expected.inputs), costs)
        lake.write(losses, table)
    table, costs = (lake.scan((kind, name)).collect() for kind in ("ratio_losses", "ratio_costs"))
    built = _publish(name, spec, step, table, costs)
    lake.clear_shards(step.expected.key)
    return built


def _trained(
    name: str, spec: RatioSpec, recipe: RecipeSpec, graph: Graph, step: Step
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Carry the trainings out; return a line for each training and outcome, and what each training took."""
    from datasel_assets.models.run_trainings import Trainings

    warehouse, file = step.warehouse, f"ratio/{name}.yaml"
    model = warehouse.registry.language_models[spec.model]
    pool = pool_conversations(warehouse)
    proxy = model.proxy or ProxySpec.model_validate({})
    training, held_out = split_rows(draw_rows(pool.names, proxy), proxy)
    places = training["place"].to_numpy()
    targets = measured_targets(spec.targets, warehouse.registry)
    conversations, sets = read_measured(targets, spec.held_out, warehouse, pool, held_out["place"].to_numpy())
    chosen = _selected(name, spec, recipe, warehouse, graph, pool.names["row_id"][places])
    arms = _arms(spec, chosen, _sizes(warehouse, pool, places))
    needed = np.unique(np.concatenate([arm.rows for arm in arms]))
    causal = causal_spec(warehouse, spec.model, model)
    trainings = Trainings(causal, spec.training, warehouse.settings.device, base=warehouse.settings.data)
    texts = trainings.texts(pool.read(places[needed]).to_list())
    measured = trainings.texts(conversations)
    budgets = _budgets(spec, chosen, needed, texts)
    step.log.info(
        f"{step.stage}: {len(arms)} trainings of {min(budgets.values()):,} to {max(budgets.values()):,} tokens on up "
        f"to {len(needed):,} rows, each measured on {len(conversations):,} conversations. The first shows how long it "
        "takes"
    )

    def train(run: int) -> Trained:
        arm = arms[run]
        rows = np.searchsorted(needed, arm.rows)
        rows = rows[texts.tokens[rows] > 0]
        if not len(rows):
            raise ValueError(f"{file}: none of the rows at the fraction {arm.fraction:g} has a response to learn")
        seen = fill([rows], texts.lengths, np.ones(1), budgets[arm.fraction], arm.seed)
        return trainings.train(texts, seen, arm.seed, measured, sets)

    # The longest first: it shows what the series takes at most.
    order = sorted(range(len(arms)), key=lambda run: (-budgets[arms[run].fraction], arms[run].seed, arms[run].arm))
    made = dict(zip(order, carry_out(step, train, order, spec.max_minutes, file), strict=True))
    mean_of = [each for each in sets if each.startswith(TARGET)] or list(sets)
    lines = []
    for run, arm in enumerate(arms):
        found = made[run].losses
        losses = {OVERALL: float(np.mean([found[each] for each in mean_of])), **{each: found[each] for each in sets}}
        about = (made[run].rows, made[run].tokens)
        lines += [(arm.fraction, arm.arm, arm.seed, each, loss, *about) for each, loss in losses.items()]
    # Costs stand apart, because another making of the same table takes another time.
    costs = [(arm.fraction, arm.arm, arm.seed, made[run].seconds) for run, arm in enumerate(arms)]
    columns = {**{key: LOSSES[key] for key in ("fraction", "arm", "seed")}, "seconds": pl.Float64}
    return pl.DataFrame(lines, schema=LOSSES, orient="row"), pl.DataFrame(costs, schema=columns, orient="row")


def _selected(
    name: str, spec: RatioSpec, recipe: RecipeSpec, warehouse: Warehouse, graph: Graph, trainable: pl.Series
) -> dict[float, np.ndarray]:
    """Return fraction -> numbers of the selected rows among those that may be trained on."""
    pool = candidate_pool(warehouse, recipe, graph)
    inputs, keep = PoolInputs(warehouse, pool), warehouse.registry.score_keep()
    numbers = pl.DataFrame({"row_id": trainable}).with_row_index("number")
    found = {}
    for fraction in spec.fractions:
        budget = recipe.budget.model_copy(update={"fraction": fraction, "rows": None, "tokens": None})
        budget = budget.model_copy(update={"response_tokens": None})
        rows = run_recipe(recipe.model_copy(update={"budget": budget, "churn": 1.0}), pool, inputs, keep).selected
        own = numbers.filter(pl.col("row_id").is_in(rows["row_id"].implode()))["number"].to_numpy()
        if not len(own):
            raise ValueError(
                f"ratio/{name}.yaml: at the fraction {fraction:g} the recipe selects no row that may be trained on; "
                "begin with a larger one"
            )
        found[fraction] = own.astype(np.int64)
    return found


def _sizes(warehouse: Warehouse, pool: Pool, places: np.ndarray) -> np.ndarray:
    """Return (n,) tokens of the rows that may be trained on, by the tokenizer of the corpus."""
    frames = [
        warehouse.lake.scan(("corpus", source)).select("row_id", "n_tokens") for source in warehouse.active_sources()
    ]
    rows = pool.names.select("row_id")[places]
    found = rows.join(pl.concat(frames).collect(), on="row_id", how="left", maintain_order="left")
    return found["n_tokens"].fill_null(1).to_numpy()


def _arms(spec: RatioSpec, chosen: Mapping[float, np.ndarray], sizes: np.ndarray) -> list[_Arm]:
    """Return all trainings: of every fraction and seed the selection, and random rows with as many tokens."""
    arms = []
    for fraction, own in chosen.items():
        for seed in range(spec.seeds):
            drawn = np.random.default_rng([seed, 9]).permutation(len(sizes))
            enough = int(np.searchsorted(np.cumsum(sizes[drawn]), sizes[own].sum())) + 1
            arms.append(_Arm(fraction, SELECTED, seed, own, own))
            arms.append(_Arm(fraction, RANDOM, seed, np.sort(drawn[:enough]), own))
    return arms


def _budgets(
    spec: RatioSpec, chosen: Mapping[float, np.ndarray], needed: np.ndarray, texts: "Texts"
) -> dict[float, int]:
    """Return fraction -> tokens that its trainings read."""
    once = {f: int(texts.lengths[np.searchsorted(needed, own)].sum()) for f, own in chosen.items()}
    by_epochs = {fraction: max(1, math.ceil(spec.epochs * tokens)) for fraction, tokens in once.items()}
    if spec.equal == "epochs":
        return by_epochs
    return dict.fromkeys(once, spec.tokens or max(by_epochs.values()))


# --------------------------------------------------------------------------------------------------------------- page
def _publish(name: str, spec: RatioSpec, step: Step, losses: pl.DataFrame, costs: pl.DataFrame) -> Built:
    """Publish the mean losses with the answer."""
    sets = losses["set"].unique(maintain_order=True).to_list()
    about = _about(name, spec, sets)
    curves = {outcome: _curves(losses, outcome) for outcome in sets}
    found = knee(*curves[about], spec.tolerance)
    said = answer(found, spec.tolerance, _called(about))
    table = pl.concat(_means(outcome, curves[outcome]) for outcome in sets)
    info = step.warehouse.lake.write(step.expected, table, meta={"fraction": found.fraction, "answer": said})
    answers = [(_called(o), answer(knee(*curves[o], spec.tolerance), spec.tolerance, _called(o))) for o in sets]
    title = f"Loss on {_called(about)} by the share of the pool"
    shown: dict[str, Any] = {
        "answer": f"{said} For {spec.model}: a larger model may need more or less.",
        "fraction": found.fraction,
        "plot: losses": picture(plots.ratio_curves(*curves[about], spec.tolerance, name, title), f"{title}: {said}"),
        "answers": sample_table(
            pl.DataFrame(answers, schema=["outcome", "answer"], orient="row"), ["outcome", "answer"], 60
        ),
        "losses": sample_table(table.filter(pl.col("set") == about), ["fraction", "arm", "loss", "low", "high"], 60),
        "trainings": costs.height,
        "minutes": round(float(costs["seconds"].sum()) / 60, 2),
        "recipe": table_link("selections", name),
    }
    unmeasured = losses.filter(pl.col("loss").is_nan())["set"].unique().to_list()
    checks = {"every_training_has_outcomes": Check(not unmeasured, {"without": unmeasured})}
    return Built(info, table.height, metadata=shown, checks=checks)


def _curves(table: pl.DataFrame, outcome: str) -> tuple[Curve, Curve]:
    own = table.filter(pl.col("set") == outcome).sort("fraction", "seed")
    curves = []
    for arm in (SELECTED, RANDOM):
        parts = own.filter(pl.col("arm") == arm).group_by("fraction", maintain_order=True).agg("loss")
        curves.append(Curve.of(parts["fraction"].to_numpy(), np.array(parts["loss"].to_list())))
    return curves[0], curves[1]


def _about(name: str, spec: RatioSpec, sets: Sequence[str]) -> str:
    wanted = spec.toward or OVERALL
    found = next((each for each in (wanted, TARGET + wanted, SOURCE + wanted) if each in sets), None)
    if found is None:
        raise ValueError(
            f"ratio/{name}.yaml: toward: {wanted!r} is no outcome{suggestion(wanted, list(sets))} Outcomes: "
            f"{', '.join(sets)}"
        )
    return found


def _called(outcome: str) -> str:
    return "the mean outcome" if outcome == OVERALL else outcome.replace(": ", " ")


def _means(outcome: str, curves: tuple[Curve, Curve]) -> pl.DataFrame:
    """Return the mean losses of both arms on one outcome."""
    parts = [
        pl.DataFrame({"fraction": curve.fractions, "loss": curve.mean, "low": curve.low, "high": curve.high})
        .with_columns(set=pl.lit(outcome), arm=pl.lit(arm))
        .select("set", "arm", "fraction", "loss", "low", "high")
        for arm, curve in zip((SELECTED, RANDOM), curves, strict=True)
    ]
    return pl.concat(parts)
