"""A classifier of named categories that learns from a few examples of each, and how it does on those it has not seen.

Belongs here: the fit, the categories of rows with their margins, the confusion of the examples. Does not belong here:
the algebra (``ridge``), where examples and vectors come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.indicators.ridge import leave_one_out, ridge_classifier


@dataclass(frozen=True, eq=False)
class CategoryFit:
    """A classifier and what it says of its own examples.

    Attributes:
        names: (k,) categories, sorted.
        weights: (d, k) float32.
        constants: (k,) float32.
        own: (n,) number of the category of each example.
        told: (n,) number of the category that it gets from the classifier of all other examples.
    """

    names: list[str]
    weights: np.ndarray
    constants: np.ndarray
    own: np.ndarray
    told: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """(n,) bool: the others tell the example right."""
        return self.told == self.own

    @property
    def accuracy(self) -> float:
        """Share of the examples that the others tell right."""
        return float(self.right.mean())

    @property
    def commonest(self) -> str:
        """The category with most examples."""
        return self.names[int(np.bincount(self.own).argmax())]

    @property
    def guessing(self) -> float:
        """Accuracy of always naming the commonest category."""
        return float(np.bincount(self.own).max() / len(self.own))

    @property
    def confusion(self) -> np.ndarray:
        """(k, k) int64: how many examples of each category (a line) are told to be of which (a column)."""
        table = np.zeros((len(self.names), len(self.names)), np.int64)
        np.add.at(table, (self.own, self.told), 1)
        return table


def fit_categories(vectors: np.ndarray, categories: Sequence[str], ridge: float) -> CategoryFit:
    """Fit a ridge classifier to examples.

    Args:
        vectors: (n, d) of the examples.
        categories: (n,) category of each; every category should have two examples, or leaving one out leaves none.
        ridge: penalty, see :func:`ridge_classifier`.
    """
    names, own = np.unique(np.asarray(categories), return_inverse=True)
    rows = np.asarray(vectors, np.float64)
    weights, constants = ridge_classifier(rows, own, len(names), ridge)
    told = leave_one_out(rows, own, len(names), ridge)
    return CategoryFit(names.tolist(), weights, constants, own, told)


def categorise(vectors: np.ndarray, weights: np.ndarray, constants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the category of each vector and how clear it is.

    Args:
        vectors: (n, d).
        weights: (d, k) of :class:`CategoryFit`, k >= 2.
        constants: (k,).

    Returns:
        (n,) number of the category with the largest output, the first of equals; (n,) that output minus the next.
    """
    outputs = vectors @ weights + constants
    ordered = np.sort(outputs, axis=1)
    return outputs.argmax(axis=1), ordered[:, -1] - ordered[:, -2]
