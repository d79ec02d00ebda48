"""``data/compute.yaml``: where units of work are carried out, and what a run may cost at most.

Does not belong here: carrying units out (``compute``), what a run costs (``costs``).
"""

from typing import Literal

from pydantic import Field

from datasel_assets.schema import StrictModel


class RunLimits(StrictModel, frozen=True):
    """What a run may cost at most, as `datasel plan` forecasts it; a run above a limit is not started.

    Attributes:
        hours: of wall time.
        cpu_hours: of all cores together.
        gpu_hours: as far as they are known from earlier runs.
        memory_gb: of the process of a step.
        read_gb: of tables that steps read, each time that one does.
        written_gb: of tables.
        tokens: that models read.
    """

    hours: float | None = Field(default=None, gt=0)
    cpu_hours: float | None = Field(default=None, gt=0)
    gpu_hours: float | None = Field(default=None, gt=0)
    memory_gb: float | None = Field(default=None, gt=0)
    read_gb: float | None = Field(default=None, gt=0)
    written_gb: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)


class ComputeSpec(StrictModel, frozen=True):
    """Where units of work are carried out; nothing of it changes what is computed.

    Attributes:
        backend: ``local`` is the process of the step, ``ray`` a Ray cluster; the variable ``DATASEL_COMPUTE`` overrides
            it.
        address: of the cluster, such as ``10.0.0.5:6379``; ``auto`` is the one that ``RAY_ADDRESS`` names, else the one
            that runs on this machine.
        cpus: processor cores that a unit occupies, and threads that it computes with. More than one where a model is so
            large that there is no room for it on every core.
        in_flight: units that are sent for each place of the cluster, so that none waits for the next.
        tries: how often a unit is carried out whose worker is lost, before it is named and given up.
        limits: what a run may cost at most.
    """

    backend: Literal["local", "ray"] = "local"
    address: str = Field(default="auto", min_length=1)
    cpus: int = Field(default=1, ge=1)
    in_flight: int = Field(default=2, ge=1)
    tries: int = Field(default=4, ge=1)
    limits: RunLimits = RunLimits()
