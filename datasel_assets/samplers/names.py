"""The one list of samplers: the name in YAML, and the module of this folder that it stands for.

A module is imported when its sampler is first asked for. So this list imports nothing, and a sampler that runs others
inside (``stratify``, ``rounds``) can read it.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from datasel_assets.samplers.base import SamplerModule

ALONE = {
    "random": "random",
    "longest": "longest",
    "topk": "gumbel_topk",
    "band": "band",
    "best_of_clusters": "best_of_clusters",
    "round_robin": "round_robin",
    "kcenter": "kcenter",
    "greedy": "greedy",
    "match_mean": "match_mean",
    "mig": "mig",
    "ordered_clusters": "ordered_clusters",
    "score_ranges": "score_ranges",
    "thin": "thin",
}
"""Samplers that choose by themselves; they may also run inside another one."""

AROUND_OTHERS = {"stratify": "stratify", "rounds": "rounds"}
"""Samplers that leave the choice to another one inside."""


class _Samplers(Mapping[str, "SamplerModule"]):
    """Name -> sampler module, imported when it is asked for."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def __getitem__(self, name: str) -> "SamplerModule":
        return cast("SamplerModule", import_module(f"datasel_assets.samplers.{self._modules[name]}"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


SAMPLERS: Mapping[str, "SamplerModule"] = _Samplers({**ALONE, **AROUND_OTHERS})
"""Sampler name in YAML -> module with ``Params``, ``REQUIRES``, ``RANKS_ALL`` and ``sample``."""

INNER: Mapping[str, "SamplerModule"] = _Samplers(ALONE)
"""Those that may run inside another one."""
