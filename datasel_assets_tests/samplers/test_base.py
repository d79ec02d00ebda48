"""What every sampler offers and says when a part is missing."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import SAMPLERS, Candidates, SamplerModule, Tags
from datasel_assets.schema import StrictModel

PARTS = {
    "scores": np.ones(1),
    "groups": np.array(["g"]),
    "vectors": ArrayVectors(np.ones((1, 2), np.float32)),
    "tags": Tags(np.array([0, 1]), np.array([0], np.int32), 1),
    "label_graph": csr_array((1, 1)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_names_the_part_that_it_misses(name):
    module = SAMPLERS[name]
    needed = {"topk": {"by": "x"}, "band": {"by": "x", "low": 0}, "best_of_clusters": {"by": "x"}}
    needed["score_ranges"] = {"by": "x"}
    needed["rounds"] = {"inner": {"sampler": "kcenter"}}
    params = module.Params.model_validate(needed.get(name, {}))
    assert isinstance(params, StrictModel)
    for part in module.REQUIRES - {"queries"}:
        parts = {other: value for other, value in PARTS.items() if other != part}
        with pytest.raises(ValueError, match=f"candidates.{part}"):
            module.sample(Candidates(np.array(["a"]), **parts), 1, params, 0)


def test_the_registry_holds_what_the_protocol_asks_for():
    wanted = [name for name in vars(SamplerModule) if not name.startswith("_")]
    assert set(wanted) == {"Params", "REQUIRES", "RANKS_ALL", "sample"}
    assert all(hasattr(module, name) for module in SAMPLERS.values() for name in wanted)
