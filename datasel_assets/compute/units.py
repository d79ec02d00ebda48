"""Units of work, and what carries them out. A leaf: nothing here knows tables, models or a cluster."""

import importlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Unit:
    """One piece of work that may be carried out twice and in any process.

    Attributes:
        name: for progress and messages.
        call: ``"module:function"``; the function returns facts (a small dict of plain values), never arrays: data goes
            through files.
        args: its keyword arguments; plain values, so that they cross processes and hosts as they are.
        rows: how much work it is, for progress.
        gpus: how many it occupies, counted where several processes share them.
    """

    name: str
    call: str
    args: Mapping[str, Any] = field(repr=False)
    rows: int = 1
    gpus: int = 0


@dataclass(frozen=True)
class Done:
    """A unit that is finished, with the facts that it returned."""

    unit: Unit
    facts: Mapping[str, Any]


Running = Generator[Done, None, None]
"""Units that come as they are done; closing it cancels what has not been started."""


class ClusterError(ConnectionError):
    """The cluster does not answer, or has no room at all for a unit; another try may find it."""


class LostUnitsError(RuntimeError):
    """Some units lost their worker every time that they were tried; all others were carried out."""


class ShardMapper(Protocol):
    """Carries out units.

    Attributes:
        elsewhere: whether other processes do, so that work is worth being cut into units and put into files.
    """

    elsewhere: bool

    def device(self, asked: str, *, runs_model: bool) -> str:
        """Return where a unit computes, when a person asked for a device.

        Args:
            asked: ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``.
            runs_model: whether the unit runs a model; nothing else has a use for a GPU.
        """
        ...

    def run(self, units: Sequence[Unit], on_rows: Callable[[int], None] = lambda rows: None) -> Running:
        """Yield each unit as it is done, in any order.

        Closing the iterator cancels what has not been started. The error of a unit is raised as it is; units that
        were finished before need not be carried out again, because their files are there.

        Args:
            units: the work.
            on_rows: told how many rows are done in all, also from within a unit where that can be seen.

        Raises:
            ClusterError: the cluster does not answer, or has no room.
            LostUnitsError: units lost their worker each time; they are named, and the others are done.
        """
        ...


def function_at(path: str) -> Callable[..., Any]:
    """Return the function that ``"module:function"`` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def path_of(function: Callable[..., Any]) -> str:
    """Return the ``"module:function"`` of a function.

    Raises:
        ValueError: it is not defined at the top of a module, so that another process could not find it.
    """
    if function.__qualname__ != function.__name__:
        raise ValueError(f"{function.__qualname__} of {function.__module__} must stand at the top of its module")
    return f"{function.__module__}:{function.__name__}"
