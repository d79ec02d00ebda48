"""Indicators of what happened to a row while a model was trained on it (survey 5.3, I14). Pure numpy.

Belongs here: from the records of all presentations to one value for each row. Does not: the training (``models.train``,
``models.label_noise``), the mixture behind ``p_clean`` (``beta_mixture``), the tables (``tables.dynamics``).

A record is made in training mode, as the row passes and before the step that it is part of, so it costs no pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from datasel_assets.indicators.base import Indicator, indicator

NOTHING = np.empty((0, 0))
EARLY = 2
"""Presentations that count as early."""


@dataclass(frozen=True, eq=False)
class History:
    """The records of n rows over E presentations, in order; NaN where a row has none.

    Attributes:
        losses: (n, E) mean loss of a learned token, or of the label, in nats.
        right: (n, E) 1 where the presentation counts as right, 0 where not.
        confidence: (n, E) mean probability of a learned token, or that of the label.
        el2n: (n, E) distance between the prediction and what came.
        later: (n, F) 1 where the row was still right after an epoch on the other half of the rows.
        given: column -> (n,) what the training itself said of a row: ``p_clean``, ``difficulty`` and so on.
        plentiful: whether there were at least as many things to learn as trained weights.
    """

    losses: np.ndarray
    right: np.ndarray
    confidence: np.ndarray = field(default_factory=lambda: NOTHING)
    el2n: np.ndarray = field(default_factory=lambda: NOTHING)
    later: np.ndarray = field(default_factory=lambda: NOTHING)
    given: Mapping[str, np.ndarray] = field(default_factory=dict)
    plentiful: bool = False

    @property
    def seen(self) -> np.ndarray:
        """(n,) bool: the row was presented."""
        return np.asarray(np.isfinite(self.right).any(axis=1))


@indicator(keep="high", bounds=(0, None), source="Toneva et al. 2019 (arXiv 1812.05159); survey Eq 53 with errata")
def forgetting_events(history: History) -> np.ndarray:
    """How often a row was right and wrong at the next presentation; of a row that was never right, all presentations.

    ``#{t: right_t = 1, right_{t+1} = 0}``, E where no ``right_t`` is 1: rows that were never learned count as the most
    forgotten, as in the authors' release. Rows that are never forgotten can be left out with least loss.
    """
    right = history.right
    events = np.nansum((right[:, :-1] == 1) & (right[:, 1:] == 0), axis=1)
    never = history.seen & ~(right == 1).any(axis=1)
    return _of_seen(history, np.where(never, right.shape[1], events))


@indicator(keep="mid", bounds=(1, None), source="Toneva et al. 2019 (arXiv 1812.05159), section 3")
def first_learned(history: History) -> np.ndarray:
    """The first presentation at which a row was right, from 1; E + 1 where it never was.

    Early: easy. Never: hard, or wrong.
    """
    right = history.right == 1
    return _of_seen(history, np.where(right.any(axis=1), right.argmax(axis=1) + 1, right.shape[1] + 1))


@indicator(keep="high", bounds=(1, None), source="Maini et al. 2022 (arXiv 2210.15031), second-split forgetting time")
def second_split_forgotten(history: History) -> np.ndarray:
    """After how many epochs on the other half of the rows a row is wrong for good; F + 1 where it stays known.

    ``min{t: wrong at every s >= t}``. Early: often a wrong row, which nothing else in the pool supports. NaN for a row
    that was not right at its last presentation, and for rows of the second half.
    """
    later = history.later
    if not later.size:
        return np.full(len(history.right), np.nan)
    known = np.isfinite(later).all(axis=1) & (history.right[:, -1] == 1)
    last_right = later.shape[1] - (later[:, ::-1] == 1).argmax(axis=1)
    forgotten = np.where((later == 1).any(axis=1), last_right + 1, 1)
    return np.where(known, forgotten, np.nan)


@indicator(keep="low", bounds=(None, None), source="least squares over the losses of a row; ours")
def loss_slope(history: History) -> np.ndarray:
    """By how much the loss of a row changes from one presentation to the next: the slope of a line through all.

    Nats per presentation, negative where the row is learned. Near 0: known from the start, or not learnable.
    """
    times = np.arange(history.losses.shape[1]) - (history.losses.shape[1] - 1) / 2
    return history.losses @ times / max(float(times @ times), 1e-12)


@indicator(keep="mid", bounds=(0, None), source="the baseline that wrong events are to be compared with")
def mean_loss(history: History) -> np.ndarray:
    """Mean loss of a row over all presentations, in nats.

    On labels that are wrong at random it tells more than ``wrong_events``, on confused ones less (docs/dynamics.md).
    """
    return history.losses.mean(axis=1)


@indicator(keep="high", bounds=(0, float(np.sqrt(2))), source="Paul et al. 2021 (arXiv 2107.07075), early in training")
def el2n_early(history: History) -> np.ndarray:
    """EL2N over the first two presentations: how far the prediction is from what came.

    The mean of ``|p - onehot(y)|_2``, over response tokens where a language model is trained. Hard rows are kept; the
    very hardest are often wrong.
    """
    if not history.el2n.size:
        return np.full(len(history.right), np.nan)
    return history.el2n[:, :EARLY].mean(axis=1)


@indicator(keep="low", bounds=(0, None), source="IDO (arXiv 2505.00812), wrong events of the first stage")
def wrong_events(history: History) -> np.ndarray:
    """At how many presentations the prediction was not what came.

    ``sum_t [right_t = 0]``; counts errors and not changes, other than ``forgetting_events``.
    """
    return _of_seen(history, np.nansum(history.right == 0, axis=1))


@indicator(keep="mid", bounds=(0, 1), source="Swayamdipta et al. 2020 (dataset cartography, arXiv 2009.10795)")
def mean_confidence(history: History) -> np.ndarray:
    """Mean probability of what came, over all presentations.

    High: easy to learn; low: hard to learn, where wrong rows gather.
    """
    return history.confidence.mean(axis=1) if history.confidence.size else np.full(len(history.right), np.nan)


@indicator(keep="high", bounds=(0, 0.5), source="Swayamdipta et al. 2020 (dataset cartography, arXiv 2009.10795)")
def confidence_variability(history: History) -> np.ndarray:
    """Standard deviation of the probability of what came, over presentations: high for ambiguous rows.

    The authors train on the third of the rows with the highest values.
    """
    return history.confidence.std(axis=1) if history.confidence.size else np.full(len(history.right), np.nan)


@indicator(
    keep="high", bounds=(None, None), source="Sorscher et al. 2022 (arXiv 2206.14486); where plenty begins is ours"
)
def worth_by_size(history: History) -> np.ndarray:
    """Early EL2N where data are plentiful, its negative where they are scarce: hard rows first, or easy rows first.

    Sorscher et al. find that hard examples are worth keeping when there are many for the size of the model, and easy
    ones when there are few. Plentiful here: response tokens (labels, of a classifier) at least as many as trained
    weights. The page of the table says which it is.
    """
    early = el2n_early(history)
    return early if history.plentiful else -early


@indicator(keep="high", bounds=(0, 1), source="IDO (arXiv 2505.00812): two Beta distributions over wrong events")
def p_clean(history: History) -> np.ndarray:
    """Probability that a row is clean, by a mixture of two Beta distributions over the counts of wrong events.

    The mixture finds two groups whether there are two or not: look at the page of the table for how well it tells
    planted faults, before anything is dropped by it.
    """
    return _given(history, "p_clean")


@indicator(keep="mid", bounds=(0, 1), source="IDO (arXiv 2505.00812): the quantile among clean rows")
def difficulty(history: History) -> np.ndarray:
    """How many of the clean rows have fewer wrong events: the quantile of the clean component at the row's count."""
    return _given(history, "difficulty")


@indicator(keep="high", bounds=(-1, 1), source="margin of the classifier that was trained despite wrong labels")
def label_margin(history: History) -> np.ndarray:
    """Probability of the row's label minus that of the best other label, by the classifier at its end.

    Below 0: the classifier names another label.
    """
    return _given(history, "label_margin")


@indicator(keep="low", bounds=(0, 1), source="share of the ten nearest rows with another label; no training")
def neighbour_disagreement(history: History) -> np.ndarray:
    """Share of the ten nearest rows whose label is another: what wrong labels look like without any training."""
    return _given(history, "neighbour_disagreement")


OF_ROWS: Mapping[str, Indicator] = MappingProxyType(
    {
        found.name: found
        for found in (
            forgetting_events,
            first_learned,
            loss_slope,
            mean_loss,
            el2n_early,
            wrong_events,
            mean_confidence,
            confidence_variability,
            worth_by_size,
            p_clean,
            difficulty,
        )
    }
)
"""Indicators of every training."""

OF_SPLIT: Mapping[str, Indicator] = MappingProxyType({second_split_forgotten.name: second_split_forgotten})
"""Those of a training on one half of the rows and then on the other."""

OF_LABELS: Mapping[str, Indicator] = MappingProxyType(
    {found.name: found for found in (label_margin, neighbour_disagreement)}
)
"""Those of a classifier of labels."""

DYNAMICS: Mapping[str, Indicator] = MappingProxyType({**OF_ROWS, **OF_SPLIT, **OF_LABELS})


def family(*, labels: bool, split: bool) -> dict[str, Indicator]:
    """Return the indicators of a training; ``labels``: of a classifier, ``split``: on two halves."""
    return {**OF_ROWS, **(OF_SPLIT if split else {}), **(OF_LABELS if labels else {})}


def _of_seen(history: History, values: np.ndarray) -> np.ndarray:
    return np.where(history.seen, values.astype(np.float64), np.nan)


def _given(history: History, name: str) -> np.ndarray:
    found = history.given.get(name)
    return np.full(len(history.right), np.nan) if found is None else np.asarray(found, np.float64)
