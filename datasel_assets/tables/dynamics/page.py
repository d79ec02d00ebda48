"""The page of a training: curves, which rows are probably wrong, how much noise, and whether any of it can be trusted.

Does not belong here: the figures of planted faults (``diagnostics.planted``), the scores (``scores``).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.planted import advice
from datasel_assets.indicators.base import Indicator
from datasel_assets.indicators.beta_mixture import noise_share
from datasel_assets.indicators.dynamics import wrong_events
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.tables.dynamics.made import Made
from datasel_assets.tables.shown import Rows, counts_table, picture, sample_table

ROWS = 20
ENDS = 3
UNTRIED = "No cut is suggested: it was not tried which columns find rows that were made wrong (`planted: null`)."


def page(
    name: str, spec: DynamicsSpec, family: Mapping[str, Indicator], made: Made, figures: pl.DataFrame | None
) -> dict[str, Any]:
    """Return what the page shows.

    Args:
        name: of the file.
        spec: what it says.
        family: its indicators.
        made: the training.
        figures: of planted faults; None where that was not tried.
    """
    history = made.history
    values = {column: found(history) for column, found in family.items()}
    trusted = spec.planted is not None and figures is not None and _trusted(figures, spec.planted.least_auc)
    title = f"presentations of {int(history.seen.sum()):,} rows by {spec.model or spec.label}"
    planted = made.planted.losses if made.planted is not None else np.zeros((0, history.losses.shape[1]))
    shown: dict[str, Any] = {
        "verdict": UNTRIED
        if figures is None or spec.planted is None
        else advice(figures, name, spec.planted.least_auc),
        "plot: presentations": picture(
            plots.dynamics_curves(history.losses, history.right, made.marked, planted, title), title
        ),
    }
    if figures is not None:
        shown["planted faults found (AUC)"] = sample_table(figures, figures.columns, rows=figures.height)
    shown |= {
        "share of wrong rows, estimated": _noise(made, trusted),
        "rows that look wrong": _suspects(made, values, trusted),
        "rows at the ends": _ends(made, values),
        "plentiful": "yes: hard rows are worth more" if history.plentiful else "no: easy rows are worth more",
    }
    never = _share(values["first_learned"] > history.right.shape[1], history.seen)
    shown |= {"never_right_share": never, **made.facts}
    return shown


def _trusted(figures: pl.DataFrame, least: float) -> bool:
    """Whether the count of wrong events, or what follows from it, finds planted faults."""
    areas = figures.filter(pl.col("column").is_in(["p_clean", "wrong_events"]))["auc"].drop_nulls()
    return bool(len(areas)) and float(areas.max()) >= least  # type: ignore[arg-type]


def _noise(made: Made, trusted: bool) -> Any:
    """Return the estimated share of wrong rows of each source, or why there is none."""
    counts = wrong_events(made.history) if made.counts is None else made.counts
    if not trusted:
        return (
            "not estimated: wrong events do not find planted faults here, so the two groups of the mixture mean little"
        )
    found = noise_share(counts.astype(np.float64), made.names["source"].to_numpy().astype(np.str_))
    return counts_table(
        {source: f"{share:.1%} (95 %: {low:.1%} to {high:.1%})" for source, (share, low, high) in found.items()},
        "source",
        "share",
    )


def _suspects(made: Made, values: Mapping[str, np.ndarray], trusted: bool) -> Any:
    """Return the rows that look most wrong, or why none is named."""
    if not trusted:
        return "none is named: wrong events do not find planted faults here"
    frame = _frame(made, values).sort(
        "p_clean", "mean_loss", "row_id", descending=[False, True, False], nulls_last=True
    )
    columns = [
        "prompt",
        "response",
        *(["label", "told", "label_margin", "neighbour_disagreement"] if made.labels else []),
    ]
    columns += ["p_clean", "wrong_events", "mean_loss", "row_id"]
    return sample_table(frame.drop_nulls("p_clean"), columns, rows=ROWS)


def _ends(made: Made, values: Mapping[str, np.ndarray]) -> Rows:
    """Return the rows with the lowest and the highest mean loss, with their texts."""
    frame = _frame(made, values).drop_nulls("mean_loss").sort("mean_loss", "row_id")
    ends = pl.concat([frame.head(ENDS), frame.tail(ENDS)]).unique("row_id", maintain_order=True)
    columns = ["mean_loss", "first_learned", "forgetting_events", "wrong_events", "prompt", "response"]
    return sample_table(ends, columns, rows=2 * ENDS)


def _frame(made: Made, values: Mapping[str, np.ndarray]) -> pl.DataFrame:
    prompts, responses = zip(*made.texts, strict=True)
    texts = {"prompt": pl.Series(prompts, dtype=pl.String), "response": pl.Series(responses, dtype=pl.String)}
    labels = {"label": made.labels, "told": made.told} if made.labels else {}
    numbers = {column: pl.Series(found).fill_nan(None) for column, found in values.items()}
    return made.names.select("row_id", "source").with_columns(
        **texts, **{k: pl.Series(v) for k, v in labels.items()}, **numbers
    )


def _share(which: np.ndarray, among: np.ndarray) -> float:
    return round(float((which & among).sum() / max(1, among.sum())), 4)
