"""Carrying a series of trainings out, one after the other, so that one that was stopped goes on with the next.

Belongs here: what is kept of each training, what the series will cost, its limit. Does not: the trainings (``models``).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from datasel_assets.models.run_trainings import Trained
from datasel_assets.storage.atomic import write_json
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.table import Step


class TooLongError(ValueError):
    """The series takes longer than its file allows."""


def carry_out(
    step: Step, train: Callable[[int], Trained], runs: Sequence[int], max_minutes: float, file: str
) -> list[Trained]:
    """Return what each training led to; those that an earlier call has made are read.

    Args:
        step: of the table.
        train: makes one of them.
        runs: numbers of the trainings, in the order in which they are made.
        max_minutes: for all of them together, those made before counted in.
        file: that says so, for messages.

    Raises:
        TooLongError: the first training that is made here shows that it would take longer, or it has taken longer.
    """
    # What other rows or another model led to must not be gone on from.
    folder = step.warehouse.lake.shard_folder(step.expected) / digest(dict(step.expected.inputs))
    kept = {run: found for run in runs if (found := _read(folder / f"{run}.json"))}
    waiting = [run for run in runs if run not in kept]
    if kept and waiting:
        step.log.info(f"{step.stage}: {len(kept)} of {len(runs)} trainings were made before and are kept")
    spent = sum(found.seconds for found in kept.values())
    for made, run in enumerate(waiting, 1):
        found = train(run)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / f"{run}.json", asdict(found))
        kept[run] = found
        spent += found.seconds
        # The start itself is measured and not trained: it says little about what a training takes.
        trained = [each.seconds for each in kept.values() if each.steps]
        left = (sum(trained) / len(trained) if trained else found.seconds) * (len(waiting) - made)
        if trained and (len(trained) == 1 or made == 1 or spent > 60 * max_minutes):
            step.log.info(
                f"{step.stage}: a training takes {trained[-1]:.1f} s; the {len(waiting) - made} that are left take "
                f"about {left / 60:.1f} minutes, {(spent + left) / 60:.1f} in all; allowed are {max_minutes:g}"
            )
            if spent + left > 60 * max_minutes and made < len(waiting):
                raise TooLongError(
                    f"{file}: {len(runs)} trainings take about {(spent + left) / 60:.1f} minutes here, and max_minutes "
                    f"is {max_minutes:g}: raise it, or lower subsets, seeds or tokens. The {len(kept)} trainings that "
                    "were made are kept as long as nothing but the limit changes"
                )
        step.progress(len(kept), len(runs))
    return [kept[run] for run in runs]


def _read(path: Path) -> Trained | None:
    return Trained(**json.loads(path.read_text("utf-8"))) if path.is_file() else None
