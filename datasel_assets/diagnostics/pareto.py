"""Which of several candidates are beaten by none. Belongs here: the Pareto front of points where more is better."""

import numpy as np


def pareto_front(values: np.ndarray) -> np.ndarray:
    """Return which points no other point matches in everything and beats in something.

    O(m^2 k) comparisons, for tens or hundreds of points. Equal points are on the front together.

    Args:
        values: (m, k), more is better; a point with a NaN is not on the front and beats nobody.

    Returns:
        bool (m,).
    """
    values = np.asarray(values, np.float64)
    known = np.atleast_1d(~np.isnan(values).any(axis=1))
    front = np.array(known)
    for i in np.flatnonzero(known):
        front[i] = not (known & (values >= values[i]).all(axis=1) & (values > values[i]).any(axis=1)).any()
    return front
