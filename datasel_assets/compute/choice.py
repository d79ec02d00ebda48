"""Which mapper is meant: by the environment, else by ``compute.yaml``. Not here: what a mapper does."""

import os

from datasel_assets.compute.local import LocalMapper
from datasel_assets.compute.ray_mapper import RayMapper
from datasel_assets.compute.units import ShardMapper
from datasel_assets.settings import COMPUTE_VARIABLE
from datasel_assets.specs.compute import ComputeSpec


def chosen(spec: ComputeSpec | None) -> ComputeSpec:
    """Return what is meant: ``DATASEL_COMPUTE`` overrides the backend, and the address where it names one.

    Raises:
        ValueError: the variable holds something else.
    """
    spec = spec or ComputeSpec()
    asked = os.environ.get(COMPUTE_VARIABLE, "")
    if not asked:
        return spec
    backend, _, address = asked.partition(":")
    if backend not in ("local", "ray") or (address and backend == "local"):
        raise ValueError(f"{COMPUTE_VARIABLE}={asked} is not known: use local, ray or ray:<address>")
    return spec.model_copy(update={"backend": backend, **({"address": address} if address else {})})


def mapper_of(spec: ComputeSpec | None) -> ShardMapper:
    """Return the mapper that is meant."""
    spec = chosen(spec)
    if spec.backend == "local":
        return LocalMapper()
    return RayMapper(spec.address, in_flight=spec.in_flight, tries=spec.tries, cpus=spec.cpus)
