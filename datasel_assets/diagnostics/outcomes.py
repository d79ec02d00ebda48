"""Whether training on a selection beats training on random rows: losses of repeated trainings to a verdict.

Belongs here: paired differences, confidence intervals, what may be said. Does not: training (``models.fine_tune``).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

OUTCOME_SCHEMA = pl.Schema(
    {
        "set": pl.String,
        "arm": pl.String,
        "runs": pl.Int64,
        "tokens": pl.Int64,
        "loss": pl.Float64,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "verdict": pl.String,
    }
)
"""One line per held-out set and arm. ``loss``: mean over the runs, nats for a response token; ``difference``: to the
random arm, paired by seed, with its 95 % confidence interval from ``low`` to ``high`` (negative: the arm is better)."""

BETTER, WORSE, EVEN, NONE = "better than random", "worse than random", "no difference shown", "not compared"


def outcomes(losses: pl.DataFrame, control: str = "random", level: float = 0.95) -> pl.DataFrame:
    """Compare each arm with the control arm on each held-out set.

    Per set the differences of the losses of runs with equal seed, d_s = loss_arm(s) - loss_control(s), are taken as
    draws of a normal distribution: mean(d) -+ t(level, S - 1) * sd(d) / sqrt(S), Student's t with S seeds. With 3 seeds
    t is 4.3, so only differences that are large against their spread are told apart. The interval covers the seeds
    (random rows, order of training), not the choice of the held-out rows.

    Args:
        losses: columns ``set``, ``arm``, ``seed``, ``loss`` (NaN = not measured) and ``tokens`` (held-out tokens).
        control: the arm that others are compared with.
        level: of the confidence interval.

    Returns:
        A frame of ``OUTCOME_SCHEMA`` sorted by set and arm. Arms with fewer than two seeds in common with the control
        are not compared.
    """
    from scipy.stats import t

    known = losses.filter(pl.col("loss").is_not_nan() & pl.col("loss").is_not_null())
    by_set = {key[0]: part for key, part in known.group_by("set")}
    rows = []
    for name in sorted(by_set):
        part = by_set[name]
        base = part.filter(pl.col("arm") == control).select("seed", base="loss")
        for arm in sorted(part["arm"].unique()):
            own = part.filter(pl.col("arm") == arm)
            paired = own.join(base, on="seed")
            difference = (paired["loss"] - paired["base"]).to_numpy()
            middle = low = high = None
            verdict = NONE
            if arm != control and len(difference) >= 2:
                middle = float(difference.mean())
                spread = float(difference.std(ddof=1)) / len(difference) ** 0.5
                reach = float(t.ppf((1 + level) / 2, len(difference) - 1) * spread)
                low, high = middle - reach, middle + reach
                verdict = BETTER if high < 0 else WORSE if low > 0 else EVEN
            tokens = own["tokens"].max()
            rows.append((name, arm, own.height, tokens, own["loss"].mean(), middle, low, high, verdict))
    return pl.DataFrame(rows, schema=OUTCOME_SCHEMA, orient="row")


def summary(found: pl.DataFrame, arm: str) -> str:
    """Return in one sentence how often the arm beats the random one, from ``outcomes``."""
    own = found.filter(pl.col("arm") == arm)
    counts = {verdict: own.filter(pl.col("verdict") == verdict)["set"].to_list() for verdict in (BETTER, WORSE, EVEN)}
    if not any(counts.values()):
        return "nothing could be compared with random rows"
    said = [f"{verdict} on {_listed(sets)}" for verdict, sets in counts.items() if sets]
    beaten = "" if counts[BETTER] else ": it does not beat random rows of equal tokens anywhere"
    return "; ".join(said) + beaten


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def token_loss(sums: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean negative log-probability of a token, NaN without tokens.

    Args:
        sums: (m,) sums of log-probabilities over the tokens of each response, nats.
        counts: (m,) tokens.
    """
    total = counts.sum()
    return float(-sums.sum() / total) if total else float("nan")
