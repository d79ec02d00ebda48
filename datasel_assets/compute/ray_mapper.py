"""Units carried out by the workers of a Ray cluster, which share the data folder with this process.

Belongs here: sending units, counting tries, giving up. Does not belong here: what a worker does (``ray_tasks``).

Plain tasks, a bounded number of them at a time. Nothing but files outlives the process: no actors, no state in the
cluster. Tries are counted here and not by Ray, which repeats a unit that runs out of memory without end.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from datasel_assets.compute.ray_tasks import carry_out
from datasel_assets.compute.units import ClusterError, Done, LostUnitsError, Running, Unit

LOG = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
PATIENCE_S = 90.0
"""How long a unit may wait for a node that is large enough, which a cluster that grows may still start."""
CONNECT_S = 10.0
BUNDLE = 16
"""Units with a GPU that a worker carries out before it ends."""


class RayMapper:
    """The mapper of a cluster; see :class:`datasel_assets.compute.units.ShardMapper`."""

    elsewhere = True

    def __init__(
        self,
        address: str = "auto",
        *,
        in_flight: int = 2,
        tries: int = 4,
        cpus: int = 1,
        bundle: int = 1,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Name a cluster; nothing is connected yet.

        Args:
            address: of the cluster; ``auto`` is the one that ``RAY_ADDRESS`` names, else the one on this machine.
            in_flight: tasks that are sent for each place of the cluster.
            tries: how often a unit is carried out whose worker is lost.
            cpus: cores that a unit occupies.
            bundle: units in one task. Where a unit has a GPU they are up to ``BUNDLE``: Ray ends a worker that had one,
                because CUDA stays with the card that it began with, and what the worker loads must be worth it.
            patience_s: how long to wait for a node with room for a unit.
        """
        self._address, self._in_flight, self._tries, self._cpus = address, in_flight, tries, cpus
        self._bundle, self._patience_s = bundle, patience_s

    def device(self, asked: str, *, runs_model: bool) -> str:
        """Return ``cuda`` for a model where the cluster has GPUs (or they were asked for), else ``cpu``.

        Which card of its node a unit gets is Ray's choice.
        """
        if not runs_model or asked == "cpu":
            return "cpu"
        return "cuda" if asked != "auto" or self._connected().cluster_resources().get("GPU") else "cpu"

    def run(self, units: Sequence[Unit], on_rows: Callable[[int], None] = lambda rows: None) -> Running:
        """Yield each unit as it is done, in any order."""
        if not units:
            return
        ray = self._connected()
        waiting = deque(self._bundled(ray, units))
        flying: dict[Any, list[Unit]] = {}
        lost: dict[str, str] = {}
        tries: Counter[str] = Counter()
        rows, moved = 0, time.monotonic()
        try:
            while waiting or flying:
                while waiting and len(flying) < self._in_flight * self._places(ray, waiting[0][0]):
                    bundle = waiting.popleft()
                    flying[self._send(ray, bundle)] = bundle
                ready, _ = ray.wait(list(flying), num_returns=1, timeout=LOOK_EVERY_S)
                if not ready and time.monotonic() - moved > self._patience_s:
                    self._require_room(ray, next(iter(flying.values()))[0])
                for ref in ready:
                    moved = time.monotonic()
                    bundle = flying.pop(ref)
                    facts = self._facts(ray, ref, bundle, tries, waiting, lost)
                    for unit, found in zip(bundle, facts, strict=False):
                        rows += unit.rows
                        on_rows(rows)
                        yield Done(unit, found)
        finally:
            for ref in flying:
                ray.cancel(ref, force=True)
        if lost:
            name, why = min(lost.items())
            raise LostUnitsError(
                f"{len(lost)} of {len(units)} units lost their worker {self._tries} times and were given up, the "
                f"others are done: {', '.join(sorted(lost))}. The last loss of {name}: {why}"
            )

    def _facts(
        self,
        ray: Any,
        ref: Any,
        bundle: list[Unit],
        tries: "Counter[str]",
        waiting: "deque[list[Unit]]",
        lost: dict[str, str],
    ) -> list[dict[str, Any]]:
        """Return the facts of the units of a task that is over; of none where its worker was lost.

        What was lost waits again, each unit by itself, so that it is known which one takes its worker along.
        """
        try:
            return ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            # The unit's own error: it would fail again. What Ray makes of it would not be known to the caller.
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except ray.exceptions.RayError as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if len(bundle) > 1:
            waiting.extendleft([unit] for unit in reversed(bundle))
            return []
        (unit,) = bundle
        tries[unit.name] += 1
        LOG.warning("the worker of %s was lost (try %d of %d): %s", unit.name, tries[unit.name], self._tries, why)
        if tries[unit.name] < self._tries:
            waiting.appendleft(bundle)
        else:
            lost[unit.name] = why
        return []

    def _bundled(self, ray: Any, units: Sequence[Unit]) -> Iterator[list[Unit]]:
        """Yield the units of each task: neighbours, so that what they load is loaded once."""
        size = self._bundle
        if units[0].gpus:
            size = max(size, min(BUNDLE, len(units) // (2 * self._places(ray, units[0]))))
        for start in range(0, len(units), size):
            yield list(units[start : start + size])

    def _send(self, ray: Any, bundle: list[Unit]) -> Any:
        task = ray.remote(num_cpus=self._cpus, num_gpus=bundle[0].gpus, max_retries=0)(carry_out)
        named = task.options(name=bundle[0].name)
        return named.remote([(unit.call, dict(unit.args)) for unit in bundle], self._cpus)

    def _places(self, ray: Any, unit: Unit) -> int:
        """Return how many units the cluster can carry out at once; it may grow and shrink."""
        there = ray.cluster_resources()
        places = int(there.get("CPU", 0) // self._cpus)
        return max(1, min(places, int(there.get("GPU", 0) // unit.gpus)) if unit.gpus else places)

    def _require_room(self, ray: Any, unit: Unit) -> None:
        """Say that no node can ever take a unit, which Ray would leave waiting.

        Raises:
            ClusterError: none can.
        """
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(node.get("CPU", 0) >= self._cpus and node.get("GPU", 0) >= unit.gpus for node in nodes):
            return
        largest = ", ".join(f"{node.get('CPU', 0):g} cores and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ClusterError(
            f"no node of the Ray cluster can take {unit.name}, which needs {self._cpus} cores and {unit.gpus} GPUs on "
            f"one node; the nodes have {largest or 'nothing'}. Add a node, lower 'cpus' in compute.yaml, or set "
            "DATASEL_DEVICE=cpu"
        )

    def _connected(self) -> Any:
        """Return the module ``ray``, connected to the cluster; the connection lasts as long as the process.

        Raises:
            ClusterError: no cluster answers.
        """
        try:
            import ray
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "units are to be carried out on Ray, but the package is not installed: pip install "
                "'datasel_assets[ray]', or set DATASEL_COMPUTE=local"
            ) from error
        if ray.is_initialized():
            return ray
        in_main_thread = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            _require_answer(os.environ.get("RAY_ADDRESS", "auto") if self._address == "auto" else self._address)
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError) as error:
            raise ClusterError(
                f"no Ray cluster answers at {self._address}: start one with 'ray start --head', name another address "
                f"in compute.yaml, or set DATASEL_COMPUTE=local ({' '.join(str(error).split())[:300]})"
            ) from error
        finally:
            if in_main_thread and handler is not None:  # Ray takes the signal for itself, with which a run is cancelled
                signal.signal(signal.SIGTERM, handler)
        return ray


def _require_answer(address: str) -> None:
    """Ask whether anybody listens at an address: Ray itself asks for minutes.

    Raises:
        ConnectionError: nobody does.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        return  # Ray has to find it
    # Ray takes the loopback address for that of this machine.
    hosts = [host, socket.gethostname()] if host in ("127.0.0.1", "localhost") else [host]
    for last, each in zip((*[False] * (len(hosts) - 1), True), hosts, strict=True):
        try:
            socket.create_connection((each, int(port)), CONNECT_S).close()
        except OSError as error:
            if last:
                raise ConnectionError(str(error)) from error
        else:
            return
