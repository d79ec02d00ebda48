"""Picture of a bandit's way: what each round earned, and which arms were tried."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.plots import canvas


def bandit_path(rounds: np.ndarray, rewards: np.ndarray, tries: Mapping[str, int], what: str) -> bytes:
    """Draw the reward summed over the rounds, beside the tries of the arms that were tried most.

    Args:
        rounds: (n,) number of the round of each try, from 1.
        rewards: (n,) what it earned.
        tries: name of an arm -> how often it was tried, most first; the caller bounds how many.
        what: a reward is, in words.

    Returns:
        PNG, at most 60 KB.
    """
    height = max(2.8, 0.9 + 0.19 * len(tries))
    fig, left = canvas.figure(height, "The way of the bandit", f"sum of the {what} by round; tries by cluster")
    if not len(rounds):
        canvas.empty(left, "no cluster was tried")
        return canvas.to_png(fig)
    left.remove()
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.1))
    numbers = np.unique(rounds)
    sums = np.cumsum([float(rewards[rounds == number].sum()) for number in numbers])
    left.plot([0, *numbers], [0.0, *sums], color=canvas.SELECTED, linewidth=1.8)
    left.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    canvas.number_axis(left.yaxis)
    canvas.caption_axis(left, "round", f"sum of {what}")
    shown = list(tries)[::-1]
    right.barh(range(len(shown)), [tries[name] for name in shown], color=canvas.SELECTED, height=0.7)
    canvas.names(right, shown)
    canvas.caption_axis(right, "tries")
    for axes in (left, right):
        for side in axes.spines.values():
            side.set_visible(False)
        axes.tick_params(length=0, labelsize=8.5, labelcolor=canvas.INK)
        axes.set_axisbelow(True)
    return canvas.to_png(fig)
