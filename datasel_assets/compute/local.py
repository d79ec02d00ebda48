"""Units carried out in this process, one after the other: a model uses all cores by itself."""

from collections.abc import Callable, Sequence

from datasel_assets import progress
from datasel_assets.compute.units import Done, Running, Unit, function_at


class LocalMapper:
    """The mapper of a laptop; see :class:`datasel_assets.compute.units.ShardMapper`."""

    elsewhere = False

    def device(self, asked: str, *, runs_model: bool) -> str:
        """Return the device as it was asked for: it is chosen where the model is loaded."""
        return asked

    def run(self, units: Sequence[Unit], on_rows: Callable[[int], None] = lambda rows: None) -> Running:
        """Yield each unit as it is done, in order."""
        before = 0
        for unit in units:
            with progress.within(before, on_rows):
                facts = function_at(unit.call)(**unit.args)
            before += unit.rows
            on_rows(before)
            yield Done(unit, facts)
