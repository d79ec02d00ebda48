"""Rows that together maximise an objective such as facility location or graph cut, the most valuable row first.

``objectives`` says what a subset is worth, ``optimisers`` how one is found. The two are separate axes: any objective
goes with the exact lazy greedy and with the stochastic one.
"""

from datasel_assets.samplers.greedy.sampler import RANKS_ALL, REQUIRES, WORDING, ObjectiveSpec, Params, sample

__all__ = ["RANKS_ALL", "REQUIRES", "WORDING", "ObjectiveSpec", "Params", "sample"]
