"""What each unit does to the outcomes of the trainings of one file in ``runs/``.

Belongs here: the table of effects, its verdict and its page. Does not: the trainings (``series``), estimators
(``runs``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.registry.registry import Registry
from datasel_assets.runs.estimators import ESTIMATORS, MEANINGS, Estimator
from datasel_assets.runs.memorisation import influence, memorisation
from datasel_assets.runs.mixture import skill_it
from datasel_assets.runs.names import EFFECTS, INFLUENCE, MEMORISATION, OVERALL, OWN_ROWS, TARGET, UNIT
from datasel_assets.runs.observed import Effects, Observed, RunsError
from datasel_assets.runs.prediction import foretold
from datasel_assets.runs.verdict import Verdict, largest_by_chance, verdict
from datasel_assets.specs.runs import RunsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.runs.series import key_of, outcome_sets, read_observed, shown_units
from datasel_assets.tables.shown import Rows, picture, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

RUN_EFFECTS = Kind(EFFECTS, job="runs")
SCHEMA = {
    "unit": pl.Int32,
    "set": pl.String,
    "estimator": pl.String,
    "effect": pl.Float64,
    "error": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "believed": pl.Boolean,
}
PICTURED = 12


@dataclass(frozen=True, eq=False)
class _Found:
    """The effects by one estimator: of k units on the outcomes, what may be said of each, how well they foretell."""

    estimator: Estimator
    effects: Effects
    verdicts: list[Verdict]
    foretold: np.ndarray


def run_effects_table(name: str, registry: Registry, *, read: bool) -> Table:
    """Return the effects of the file ``runs/<name>.yaml``."""
    spec = registry.runs[name]
    fingerprint = digest([RUN_EFFECTS.version, list(spec.estimated_by)])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return Expected((RUN_EFFECTS.name, name), fingerprint, {"runs": warehouse.lake.version(key_of(name))})

    return Table(
        kind=RUN_EFFECTS,
        key=(RUN_EFFECTS.name, name),
        description=(
            f"What each {spec.units} does to the outcomes of `runs/{name}`, with standard errors, and whether any of "
            "it is more than the noise of seeds. Effects are of the negative loss: above 0 a unit helps."
        ),
        group="comparison",
        reads=[key_of(name)],
        expect=expect,
        build=partial(_build, name, spec),
        checks={"some_estimator_could_be_used": "at least one estimator suits the trainings"},
        on_demand=not read,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
        columns={
            "unit": "Number of the unit; its name is in run_units.",
            "set": f"Outcome; '{OVERALL}' is the mean of the targets, or of the held-out sets where there are none.",
            "estimator": "How the effect was worked out.",
            "effect": "Nats of a response token that the unit takes off the loss; for shares: a training on it alone.",
            "error": "Standard error; null where none is known.",
            "low": "Lower end of the 95 % confidence interval of this one effect.",
            "high": "Its upper end.",
            "believed": "Larger than the noise of seeds, and not 0 when all units are looked at together.",
        },
    )


def _build(name: str, spec: RunsSpec, step: Step) -> Built:
    warehouse = step.warehouse
    sets, units = outcome_sets(warehouse, name), shown_units(warehouse, name)
    common = [each for each in sets if not each.startswith(UNIT)]
    natural = units["tokens"].to_numpy().astype(np.float64)
    natural /= natural.sum()
    titles = [_called(spec, *each) for each in units.select("name", "title").iter_rows()]
    lines: list[tuple] = []
    found: list[_Found] = []
    refused: dict[str, str] = {}
    if common:
        mean_of = [each for each in common if each.startswith(TARGET)] or common
        observed, named = read_observed(warehouse, name, common, mean_of), [OVERALL, *common]
        for estimator in spec.estimated_by:
            try:
                found.append(_estimated(estimator, observed, natural, titles))
            except RunsError as error:
                refused[estimator] = str(error)
                continue
            lines += _lines(found[-1].effects, named, estimator, found[-1].verdicts)
    else:
        observed, named = None, []
    own = [each for each in sets if each.startswith(UNIT)]
    if own:
        lines += _own_lines(read_observed(warehouse, name, own), own, refused)
    if not lines:
        raise ValueError(f"runs/{name}.yaml: no estimator could be used: {'; '.join(refused.values())}")
    table = pl.DataFrame(lines, schema=SCHEMA, orient="row").with_columns(pl.col("error", "low", "high").fill_nan(None))
    info = step.warehouse.lake.write(step.expected, table, meta={"estimators": [each.estimator for each in found]})
    shown = _page(name, table, found, observed, named, titles, refused)
    if found and observed is not None:
        shown["shares to try"] = _mixture(found[0], observed, named, titles, natural)
    checks = {"some_estimator_could_be_used": Check(True, dict(refused))}
    return Built(info, table.height, metadata=shown, checks=checks)


def _called(spec: RunsSpec, name: str, title: str) -> str:
    return f"{int(name)}: {title}" if spec.units == "cluster" else title


def _estimated(estimator: Estimator, observed: Observed, natural: np.ndarray, titles: list[str]) -> _Found:
    effects = ESTIMATORS[estimator](observed, natural)
    by_chance = largest_by_chance(estimator, observed, natural)
    verdicts = [verdict(effects, j, observed, by_chance, titles) for j in range(effects.values.shape[1])]
    return _Found(estimator, effects, verdicts, foretold(estimator, observed, natural))


def _lines(effects: Effects, sets: list[str], estimator: str, verdicts: list[Verdict] | None) -> list[tuple]:
    low, high = effects.interval()
    k = len(effects.values)
    lines = []
    for j, name in enumerate(sets):
        if verdicts is None:
            limits = effects.interval(several=k)
            believed = (limits[0][:, j] > 0) | (limits[1][:, j] < 0)
        else:
            believed = np.isin(np.arange(k), [*verdicts[j].helps, *verdicts[j].harms])
        columns = (effects.values[:, j], effects.errors[:, j], low[:, j], high[:, j], believed)
        lines += [(i, name, estimator, *(c[i].item() for c in columns)) for i in range(k)]
    return lines


def _own_lines(observed: Observed, sets: list[str], refused: dict[str, str]) -> list[tuple]:
    try:
        return [
            *_lines(memorisation(observed), [OWN_ROWS], MEMORISATION, None),
            *_lines(influence(observed), sets, INFLUENCE, None),
        ]
    except RunsError as error:
        refused[MEMORISATION] = str(error)
        return []


# --------------------------------------------------------------------------------------------------------------- page
def _page(
    name: str,
    table: pl.DataFrame,
    found: list[_Found],
    observed: Observed | None,
    sets: list[str],
    titles: list[str],
    refused: Mapping[str, str],
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if found and observed is not None:
        first = found[0]
        limit = first.verdicts[0].limit
        shown["verdict"] = first.verdicts[0].text
        title = f"Effects on the mean outcome of runs/{name}, by {MEANINGS[first.estimator]}"
        low, high = first.effects.interval()
        png = plots.run_effects(titles, first.effects.values[:, 0], low[:, 0], high[:, 0], limit, title)
        shown["plot: effects"] = picture(png, title)
        shown["verdicts"] = sample_table(_verdicts(found, sets), ["set", "estimator", "verdict"], rows=60)
        shown["how well effects foretell subsets left out"] = sample_table(
            _foretold(found, sets), ["set", "estimator", "correlation"], rows=60
        )
        shown["subsets"] = len(observed.shares)
        shown["trainings_of_a_subset"] = round(observed.seeds, 2)
        shown["noise_of_seeds"] = float(f"{np.sqrt(observed.noise[0]):.4g}")
    titled = pl.DataFrame({"unit": pl.Series(range(len(titles)), dtype=pl.Int32), "title": titles})
    listed = table.join(titled, on="unit", how="left").sort("effect", "unit", descending=[True, False])
    columns = ["title", "effect", "error", "low", "high", "believed"]
    if found:
        best = listed.filter((pl.col("set") == OVERALL) & (pl.col("estimator") == found[0].estimator))
        shown["most helpful"] = sample_table(best, columns, rows=PICTURED)
        shown["most harmful"] = sample_table(best.reverse(), columns, rows=PICTURED)
    memorised = listed.filter(pl.col("estimator") == MEMORISATION)
    if memorised.height:
        shown["most memorised"] = sample_table(memorised, columns, rows=PICTURED)
    if refused:
        shown["not worked out"] = " ".join(f"{estimator}: {why}." for estimator, why in refused.items())
    return {**shown, "trainings": table_link("runs", name)}


def _mixture(found: _Found, observed: Observed, sets: list[str], titles: list[str], natural: np.ndarray) -> Rows:
    """Return the units whose share of the tokens Skill-It would raise or lower most."""
    own = [j for j, name in enumerate(sets) if name.startswith(TARGET)] or list(range(1, len(sets)))
    shares = skill_it(found.effects.values[:, own], -observed.outcomes[:, own].mean(axis=0), natural)
    frame = pl.DataFrame({"unit": titles, "share_of_the_pool": natural, "share_to_try": shares})
    change = (pl.col("share_to_try") / pl.col("share_of_the_pool")).log().abs()
    return sample_table(frame.sort(change, "unit", descending=[True, False]), frame.columns, rows=PICTURED)


def _verdicts(found: list[_Found], sets: list[str]) -> pl.DataFrame:
    lines = [(name, each.estimator, each.verdicts[j].text) for j, name in enumerate(sets) for each in found]
    return pl.DataFrame(lines, schema=["set", "estimator", "verdict"], orient="row")


def _foretold(found: list[_Found], sets: list[str]) -> pl.DataFrame:
    lines = [(name, each.estimator, float(each.foretold[j])) for j, name in enumerate(sets) for each in found]
    return pl.DataFrame(lines, schema=["set", "estimator", "correlation"], orient="row")
