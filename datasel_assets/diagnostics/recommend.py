"""Which recipe to use: one for each aim, in a sentence, with the evidence for it and what it gives up.

Belongs here: the choice and its words, from figures that others measured. Does not belong here: measuring
(``measured``), trainings (``outcomes``), the page (``comparison_report``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from datasel_assets.diagnostics.measures import Measure
from datasel_assets.diagnostics.outcomes import BETTER, WORSE
from datasel_assets.diagnostics.spread import Spread

CHEAPER = 0.5
"""A recipe is named as the cheaper one where it costs at most this share of the CPU seconds."""


@dataclass(frozen=True)
class Aim:
    """What somebody may want of a training set.

    Attributes:
        words: begins the sentence: "toward code".
        measure: by which recipes are told apart without a training.
        held_out: name of the held-out set whose loss tells of it, if any.
        note: what to know about the measure.
    """

    words: str
    measure: Measure
    held_out: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Candidates:
    """What is known of the recipes.

    Attributes:
        gains: recipe -> measure -> standard deviations of random draws by which it is better than random.
        figures: recipe -> measure -> value.
        costs: recipe -> CPU seconds; a recipe without is not called cheap.
        outcomes: recipe -> frame of ``outcomes.OUTCOME_SCHEMA`` of a model that was trained on it.
        sizes: recipe -> rows over those of the random arm.
        random: name of the random arm.
    """

    gains: Mapping[str, Mapping[str, float]]
    figures: Mapping[str, Mapping[str, float | None]]
    costs: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)
    random: str = "random"


@dataclass(frozen=True)
class Advice:
    """What to use for an aim.

    Attributes:
        aim: in words.
        recipe: the one to use; the random arm where none is better.
        because: the evidence.
        price: what it gives up, or what else to know; may be empty.
    """

    aim: str
    recipe: str
    because: str
    price: str = ""


def recommend(known: Candidates, spread: Spread, aims: Sequence[Aim], measures: Mapping[str, Measure]) -> list[Advice]:
    """Return what to use for each aim that anything can be said of.

    A training counts more than any measure: the recipe with the lowest loss on the held-out set of the aim, if its
    confidence interval lies below random rows. Without one, the recipe that is furthest from random draws, if that is
    further than the furthest of as many random draws would be. Otherwise random rows, which cost nothing. Only recipes
    with about as many rows as the random arm (within a tenth) are told apart by measures, most of which depend on the
    number.

    Args:
        known: of the recipes.
        spread: of the random draws.
        aims: in the order in which they are said.
        measures: those in which the price is told.
    """
    found = []
    for aim in aims:
        trained, lost = _trained(known, aim.held_out, BETTER), _trained(known, aim.held_out, WORSE)
        refuted = [recipe for recipe, _ in lost]
        ranked = [one for one in _ranked(known, aim.measure.name) if one[0] not in refuted]
        if trained:
            recipe = trained[0][0]
            said = [_loss(*trained[0], aim.held_out or "")]
            if aim.measure.name in known.gains.get(recipe, {}):
                said.append(_measured(known, spread, aim.measure, recipe))
        elif ranked and ranked[0][1] > spread.chance(len(ranked)):
            recipe = ranked[0][0]
            said = [_measured(known, spread, aim.measure, recipe)]
            if aim.held_out:
                said.append(f"not shown by a training yet: datasel evidence {recipe}")
        elif ranked:
            recipe = known.random
            best, gain = ranked[0]
            said = [
                f"nothing is told apart from random rows: {best} is the furthest, {gain:+.1f} spreads by "
                f"{aim.measure.title}; the best of {len(ranked)} random draws may be "
                f"{spread.chance(len(ranked)):.1f} away"
            ]
        else:
            continue
        said += _cheaper(known, spread, ranked, recipe) if not trained else []
        price = _price(known, spread, recipe, aim, measures)
        if refuted:
            price.insert(0, f"a training was worse than random on {aim.held_out} with {', '.join(sorted(refuted))}")
        if aim.note and recipe != known.random and not trained:
            price.append(aim.note)
        found.append(Advice(aim.words, recipe, "; ".join(said), "; ".join(price)))
    return found


def _ranked(known: Candidates, name: str) -> list[tuple[str, float]]:
    """Return the recipes of the size of the random arm, best first; ties by name."""
    own = {
        recipe: gains[name]
        for recipe, gains in known.gains.items()
        if recipe != known.random and name in gains and abs(known.sizes.get(recipe, 1) - 1) <= 0.1
    }
    return sorted(own.items(), key=lambda one: (-one[1], one[0]))


def _trained(known: Candidates, held_out: str | None, verdict: str) -> list[tuple[str, dict]]:
    """Return the recipes with this verdict of a training on the held-out set, the lowest loss first."""
    found: list[tuple[str, dict]] = []
    for recipe, frame in known.outcomes.items() if held_out else ():
        of_aim = frame.filter((pl.col("arm") == recipe) & (pl.col("set") == held_out) & (pl.col("verdict") == verdict))
        found += [(recipe, row) for row in of_aim.iter_rows(named=True)]
    return sorted(found, key=lambda one: (one[1]["difference"], one[0]))


def _loss(recipe: str, row: Mapping, held_out: str) -> str:
    return (
        f"a model trained on it is {row['difference']:+.3f} nats per token against random rows on {held_out} "
        f"(95 % from {row['low']:+.3f} to {row['high']:+.3f}, {row['runs']} seeds)"
    )


def _measured(known: Candidates, spread: Spread, measure: Measure, recipe: str) -> str:
    gain, value = known.gains[recipe][measure.name], known.figures[recipe][measure.name]
    return (
        f"{measure.title} {value:.3g} against {spread.mean[measure.name]:.3g} of {spread.draws} random draws: "
        f"{gain:+.1f} times their spread"
    )


def _cheaper(known: Candidates, spread: Spread, ranked: Sequence[tuple[str, float]], recipe: str) -> list[str]:
    """Return which recipe does as well for much less, if there is one."""
    if recipe == known.random or recipe not in known.costs:
        return []
    best = ranked[0][1]
    alike = [name for name, gain in ranked if gain > spread.chance() and best - gain < spread.chance()]
    cheap = min((name for name in alike if name in known.costs), key=lambda name: known.costs[name], default=recipe)
    if known.costs[cheap] > CHEAPER * known.costs[recipe]:
        return []
    return [
        f"not told apart from it and cheaper: {cheap} ({known.costs[cheap]:.2g} CPU s, not {known.costs[recipe]:.2g})"
    ]


def _price(known: Candidates, spread: Spread, recipe: str, aim: Aim, measures: Mapping[str, Measure]) -> list[str]:
    """Return on which measures a recipe is worse than random draws, the three worst by name."""
    gains = known.gains.get(recipe, {}) if recipe != known.random else {}
    judged = {name: gain for name, gain in gains.items() if name in measures and measures[name].judged}
    worse = [name for name, gain in judged.items() if name != aim.measure.name and gain < -spread.chance()]
    worse.sort(key=lambda name: (gains[name], name))
    if not worse:
        return []
    more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
    return [f"gives up {', '.join(f'{measures[name].title} ({gains[name]:+.1f})' for name in worse[:3])}{more}"]
