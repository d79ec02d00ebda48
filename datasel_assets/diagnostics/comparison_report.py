"""The page that puts recipes side by side. Belongs here: given figures, for ``templates/comparison.html.j2``.

How text is made safe and what a table looks like stands in ``page``; every figure and picture is made elsewhere.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics.churn import Churn
from datasel_assets.diagnostics.measures import MEASURES, Measure
from datasel_assets.diagnostics.overlap import overlap_pairs
from datasel_assets.diagnostics.page import Table, render, table
from datasel_assets.diagnostics.recommend import Advice
from datasel_assets.diagnostics.spread import NO_DRAWS, Spread, gains
from datasel_assets.diagnostics.verdict import Verdict, against_random

MAX_BYTES = 2_000_000
_PAIRS = 20
_EXAMPLES = 12
_SHOWN_CHURNS = 20


def comparison_html(
    *,
    title: str,
    summary: str,
    figures: pl.DataFrame,
    facts: Mapping[str, Any] | None = None,
    extra: Sequence[Measure] = (),
    overlap: tuple[Sequence[str], np.ndarray] | None = None,
    pictures: Sequence[tuple[bytes, str]] = (),
    churns: Mapping[str, Churn] | None = None,
    versions: pl.DataFrame | None = None,
    examples: Mapping[str, pl.DataFrame] | None = None,
    random: str = "random",
    aims: Mapping[str, Collection[str]] = MappingProxyType({}),
    advice: Sequence[Advice] = (),
    spread: Spread = NO_DRAWS,
    footer: str = "",
) -> str:
    """Return recipes side by side as one HTML page that needs nothing else, below 2 MB.

    It opens with which recipe to use for each aim; then stands how far each is from random rows on every measure, in
    units of the spread of random draws; then the pictures; then where recipes do not beat random rows, in words, and
    all figures. Those that are not better than the random arm's are orange. Tables are sorted and filtered by a script
    that the page holds; without it the page is whole all the same.

    Every text may be hostile: it is cut, stripped of characters that act, and escaped.
    The page holds no clock, so the same inputs give the same bytes.

    Args:
        title: what is compared.
        summary: of what pool and when, in a sentence or two.
        figures: one row per recipe: a column ``recipe``; then any. Columns that are a measure stand in the tables of
            their groups, all others (rows, tokens, overlap, cost, objective) in the first. Columns without any value
            are left out.
        facts: label -> number or short text about the pool.
        extra: measures beyond ``MEASURES`` (quality, target similarity, held-out loss).
        overlap: recipes and their Jaccard matrix; the 20 pairs most alike are listed.
        pictures: (PNG bytes, caption), some sixteen of 60 KB fit.
        churns: recipe -> what changed since its earlier version.
        versions: figures of both versions of those recipes, each two lines, under the headings to be shown.
        examples: recipe -> rows that entered or left, with the columns worth showing; the first 12 of 20 recipes.
        random: the recipe all others are held against.
        aims: recipe -> measures that only recipes with that aim are judged by.
        advice: which recipe to use for what.
        spread: of random draws; without them nothing is said in their units.
        footer: versions, or where to read more.

    Raises:
        ValueError: there is no column ``recipe``, or the pictures alone make the page too large.
    """
    if "recipe" not in figures.columns:
        raise ValueError("the figures lack the column 'recipe': one row per recipe is compared")
    measures = {**MEASURES, **{measure.name: measure for measure in extra}}
    verdicts = against_random(figures, measures, random, aims)
    said, judged = _against_random(verdicts, measures, random)
    known = figures.select("recipe", *(name for name in figures.columns if name != "recipe" and _has(figures[name])))
    churns, examples = churns or {}, examples or {}
    heat, heat_says = _heat(known, measures, spread, random)
    values = {
        "advice": advice,
        "heat": heat,
        "heat_says": heat_says,
        "title": title,
        "summary": summary,
        "facts": facts,
        "said": said,
        "judged": table(judged),
        "pictures": pictures,
        "figures": table(known.select(name for name in known.columns if name not in measures), random),
        "groups": _groups(known, measures, verdicts, random),
        "pairs": table(_pairs(overlap)),
        "churns": table(_churns(churns)),
        "versions": table(versions),
        "meanings": table(_meanings(known, measures)),
        "footer": footer,
    }
    changed = [name for name in churns if name in examples][:_SHOWN_CHURNS]
    for shown in ([(name, table(examples[name].head(_EXAMPLES))) for name in changed], []):
        page = render("comparison.html.j2", **values, examples=shown)
        if len(page.encode()) <= MAX_BYTES:
            return page
    raise ValueError(
        f"the page takes {len(page.encode()):,} bytes where {MAX_BYTES:,} are allowed: give fewer pictures"
    )


def _heat(known: pl.DataFrame, measures: Mapping[str, Measure], spread: Spread, random: str) -> tuple[Table, str]:
    """Return the table of how much better than random each recipe is on each measure, and how to read it."""
    aims_first = sorted(known.columns, key=lambda name: name in MEASURES)
    judged = {name: measures[name] for name in aims_first if name in measures and name in spread.deviation}
    # A second figure of one thing stands in the tables below; closeness to a target is what a recipe may be for.
    judged = {name: one for name, one in judged.items() if one.better and (one.judged or name not in MEASURES)}
    if not judged or not spread.draws:
        return Table((), ()), ""
    found = gains(known, spread, judged)
    columns = {name: [found[recipe].get(name) for recipe in known["recipe"]] for name in judged}
    rounded = {name: [gain and round(gain, 1) + 0.0 for gain in values] for name, values in columns.items()}
    sizes = {name: known[name] for name in ("rows",) if name in known.columns}
    frame = pl.DataFrame({"recipe": known["recipe"], **sizes, **rounded})
    chance = spread.chance()
    marks = {
        (row, name): f"{'up' if gain > 0 else 'down'}{1 + int(abs(gain) > 2 * chance) + int(abs(gain) > 4 * chance)}"
        for name, values in columns.items()
        for row, gain in enumerate(values)
        if gain is not None and abs(gain) > chance
    }
    titles = {name: measure.title for name, measure in judged.items()}
    remark = (
        f"How much better than {spread.draws} random draws, in standard deviations of these draws: positive is better, "
        f"whichever way the measure runs. Within {chance:.1f} a single random draw could be as far, and has no colour; "
        "blue is better, orange worse. A recipe with another number of rows than the draws is not comparable."
    )
    return table(frame, random, titles=titles, marks=marks), remark


def _against_random(
    verdicts: Sequence[Verdict], measures: Mapping[str, Measure], random: str
) -> tuple[str, pl.DataFrame | None]:
    """Return what can be said of all recipes, and for each what it is better and not better on."""
    if not verdicts:
        return f"Nothing can be said: there is no recipe {random!r} to hold the others against.", None
    judged = [verdict for verdict in verdicts if verdict.beats or verdict.behind]
    behind = [verdict for verdict in judged if verdict.behind]
    nothing = [verdict.recipe for verdict in behind if not verdict.beats]
    said = f"{len(behind)} of {len(judged)} recipes do not beat {random!r} on at least one measure."
    if nothing:
        said += f" On no measure at all: {', '.join(nothing)}."
    said += " One random draw stands for all, so small differences may be luck."
    rows = [
        {
            "recipe": verdict.recipe,
            "does not beat random on": ", ".join(measures[name].title for name in verdict.behind),
            "beats random on": ", ".join(measures[name].title for name in verdict.beats),
            "rows": "" if verdict.comparable or verdict.rows is None else f"{verdict.rows:.2g} times as many",
        }
        for verdict in judged
    ]
    frame = pl.DataFrame(rows, schema=["recipe", "does not beat random on", "beats random on", "rows"])
    if not frame["rows"].cast(pl.String).str.len_chars().sum():
        return said, frame.drop("rows")
    return said + " Most measures depend on the number of rows: where it differs, read with care.", frame


def _groups(
    known: pl.DataFrame, measures: Mapping[str, Measure], verdicts: Sequence[Verdict], random: str
) -> list[tuple[str, Table, str]]:
    """Return the title, the table and a remark of each group of measures."""
    place = {recipe: index for index, recipe in enumerate(known["recipe"])}
    marks = {
        (place[verdict.recipe], name): mark
        for verdict in verdicts
        for mark, names in (("ahead", verdict.beats), ("behind", verdict.behind))
        for name in names
    }
    titles = {name: measure.title for name, measure in measures.items()}
    groups = {}
    for name in known.columns:
        if name in measures:
            groups.setdefault(measures[name].group, []).append(name)
    found = []
    for group, names in groups.items():
        judged = any(measures[name].better and measures[name].judged for name in names)
        remark = f"orange = not better than {random}, bold = better" if judged and verdicts else ""
        content = table(known.select("recipe", *names), random, titles=titles, marks=marks)
        found.append((group[:1].upper() + group[1:], content, remark))
    return found


def _pairs(overlap: tuple[Sequence[str], np.ndarray] | None) -> pl.DataFrame | None:
    if overlap is None or len(overlap[0]) < 2:
        return None
    pairs = overlap_pairs(*overlap, limit=_PAIRS).with_columns((pl.col("overlap") * 100).round(1))
    return pairs.rename({"a": "recipe", "b": "and", "overlap": "overlap, %"})


def _churns(churns: Mapping[str, Churn]) -> pl.DataFrame:
    rows = [
        {
            "recipe": name,
            "rows before": change.before,
            "rows now": change.after,
            "kept": change.kept,
            "entered": len(change.entered),
            "left": len(change.left),
            "churn, %": None if np.isnan(change.rate) else round(100 * change.rate, 1),
        }
        for name, change in churns.items()
    ]
    return pl.DataFrame(rows)


def _meanings(known: pl.DataFrame, measures: Mapping[str, Measure]) -> pl.DataFrame:
    rows = [
        {"figure": measure.title, "better": measure.better or "–", "what it says": measure.doc}
        for name, measure in measures.items()
        if name in known.columns
    ]
    return pl.DataFrame(rows)


def _has(column: pl.Series) -> bool:
    if column.dtype.is_float():
        column = column.fill_nan(None)
    return column.null_count() < len(column) or not len(column)
