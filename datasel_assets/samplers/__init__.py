"""Samplers: pure functions from eligible rows and a budget to an order of rows.

The list of names that recipes may use is in ``names``, the contract that all samplers keep in ``base``.
"""

from typing import Any

from datasel_assets.samplers.base import Sample, SamplerModule
from datasel_assets.samplers.candidates import Candidates, Tags
from datasel_assets.samplers.names import SAMPLERS


def requires(name: str, params: Any) -> frozenset[str]:
    """Return the parts of ``Candidates`` that a sampler reads with these parameters, its inner sampler's included.

    A sampler whose needs depend on its parameters gives its ``Params`` a property ``requires``; ``REQUIRES`` is then
    what it always needs.
    """
    own = getattr(params, "requires", SAMPLERS[name].REQUIRES)
    inner = getattr(params, "inner", None)
    return own if inner is None else own | requires(inner.sampler, inner.params)


def ranks_all(name: str, params: Any) -> bool:
    """Say whether ordering the whole pool costs about as much as ordering the budget."""
    own = getattr(params, "ranks_all", SAMPLERS[name].RANKS_ALL)
    inner = getattr(params, "inner", None)
    return own and (inner is None or ranks_all(inner.sampler, inner.params))


def keeps_prefix(params: Any) -> bool:
    """Say whether the rows for a smaller budget are the first of those for a larger one."""
    return getattr(params, "prefix", True)


def gives_weights(params: Any) -> bool:
    """Say whether the rows come with weights that may differ."""
    inner = getattr(params, "inner", None)
    return getattr(params, "weighted", False) or (inner is not None and gives_weights(inner.params))


def score_column(name: str, params: Any) -> str | None:
    """Return the column that must stand in ``Candidates.scores``, or None."""
    inner = getattr(params, "inner", None)
    return getattr(params, "by", None) if inner is None else score_column(inner.sampler, inner.params)


__all__ = [
    "SAMPLERS",
    "Candidates",
    "Sample",
    "SamplerModule",
    "Tags",
    "gives_weights",
    "keeps_prefix",
    "ranks_all",
    "requires",
    "score_column",
]
