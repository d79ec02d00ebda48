"""A loop that trains a model as it goes: which model, which rows, what it costs, going on after a kill.

Belongs here: what all such loops share. Does not: which rows come next (one file per kind beside this one), the
training itself (``models.train.round_training``).
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.loop.trained import TrainedLoopSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.forecast import TRIAL_ROWS, Forecast, announced, timed
from datasel_assets.tables.inputs import input_versions
from datasel_assets.tables.language_models.conversations import pool_conversations
from datasel_assets.tables.loops.outcome import LOOPS
from datasel_assets.tables.peak_memory import peak_mb
from datasel_assets.tables.score_names import score_deps, score_inputs
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Graph, Step, Table
from datasel_assets.tables.trained_models import causal_spec, model_tables, model_version
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.train.round_training import Presented
    from datasel_assets.models.train.texts import Texts

UNTOLD = ("doc", "paper", "hours")
"""Keys of a file that change nothing of what its loop finds: the limit may be raised for a loop that has reached it."""

HELD_OUT = 3
"""Added to the seed, so that held-out rows have nothing to do with other draws."""

CURVE = 10
"""How often the loss of held-out rows is measured after the beginning, about."""

BACKWARD = 3
"""A step costs about as much as so many forward passes over its rows."""

BYTES_PER_ROW = 60

PIECE = 256
"""Rows of an epoch between which the learning rate changes, and that are trained on before anything is written."""

AT_ONCE = 4096
"""Rows whose texts are held at a time."""


def whole_training(rows: np.ndarray, epochs: int, seed: int) -> list[tuple[np.ndarray, float]]:
    """Return the pieces of a training over rows, each with the share of it that lies behind.

    Args:
        rows: (n,) to be seen once in each epoch, in an order of its own.
        epochs: how often.
        seed: of the orders.
    """
    pieces = -(-len(rows) // PIECE)
    orders = [np.random.default_rng([seed, epoch]).permutation(rows) for epoch in range(epochs)]
    found = [part for order in orders for part in np.array_split(order, pieces)]
    return [(part, k / len(found)) for k, part in enumerate(found)]


def trained_loop_table(
    name: str,
    spec: TrainedLoopSpec,
    registry: Registry,
    graph: Graph,
    *,
    reads: Sequence[Key] = (),
    about: str,
    build: Callable[[Step], Built],
    columns: Mapping[str, str],
) -> Table:
    """Return the table of a loop that trains a model.

    Args:
        name: of the file.
        spec: what it says.
        registry: where it stands.
        graph: the other tables.
        reads: tables that it is made from beside the corpus, its duplicates, the scores and the model.
        about: what the loop does, Markdown.
        build: makes the table.
        columns: what its own columns mean.
    """
    model = registry.language_models[spec.model]
    own: list[Key] = [("corpus",), ("duplicates",), *reads]
    said = spec.model_dump(mode="json", exclude={*UNTOLD})
    fingerprint = digest([LOOPS.version, said, model.causal.model_dump()])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = score_inputs(warehouse, spec.scores) | input_versions(warehouse, own, graph)
        inputs["model"] = model_version(warehouse, spec.model, model)
        return Expected((LOOPS.name, name), fingerprint, inputs)

    return Table(
        kind=LOOPS,
        key=(LOOPS.name, name),
        description=f"{spec.doc}\n\n{about} Source: {spec.paper}",
        group="selections",
        reads=[*own, *score_deps(spec.scores), *model_tables(spec.model, model)],
        expect=expect,
        build=build,
        checks={"some_rows_were_chosen": "at least one row has a score"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=fingerprint,
        columns=columns,
    )


def held_out_rows(pool: pl.DataFrame, rows: int, seed: int) -> np.ndarray:
    """Return (n,) bool: which rows of a pool are held out: at most a fifth of it, and no copies of others.

    Args:
        pool: ``row_id`` and ``duplicate_of``.
        rows: how many.
        seed: of the draw.
    """
    usable = np.flatnonzero(pool["duplicate_of"].is_null().to_numpy())
    found = np.zeros(pool.height, bool)
    found[usable[hash_sample(pool["row_id"].to_numpy()[usable], min(rows, len(usable) // 5), seed + HELD_OUT)]] = True
    return found


class LoopTraining:
    """The training of one loop, over rows of the pool by their place in it.

    Attributes:
        passes: rows that were read so far to train or choose, those before the training included.
        curve: (rows read, loss of held-out rows) of each measurement.
        seconds: that the rounds so far have taken.
    """

    def __init__(
        self,
        step: Step,
        spec: TrainedLoopSpec,
        pool: pl.DataFrame,
        held_out: np.ndarray,
        *,
        offline: int,
        change: bool = False,
        gradients: bool = False,
        restarts: bool = False,
    ) -> None:
        """Load the model; nothing is trained yet.

        Args:
            step: that makes the table.
            spec: what the file says.
            pool: n rows, of which ``row_id`` counts.
            held_out: (n,) bool.
            offline: rows that were read before the training.
            change: see ``RoundTraining``.
            gradients: see ``RoundTraining``.
            restarts: see ``RoundTraining``.
        """
        from datasel_assets.models.train.round_training import RoundTraining
        from datasel_assets.models.train.row_model import RowModel

        warehouse = step.warehouse
        self._step, self._spec = step, spec
        self._conversations = pool_conversations(warehouse)
        names = self._conversations.names.select("row_id", place=pl.int_range(pl.len()))
        self._places = pool.select("row_id").join(names, on="row_id", how="left", maintain_order="left")["place"]
        settings, self._named = warehouse.settings, warehouse.registry.language_models[spec.model]
        causal = causal_spec(warehouse, spec.model, self._named)
        self.model = RowModel(causal, spec.training, settings.device, base=settings.data)
        self._training = RoundTraining(self.model, change=change, gradients=gradients, restarts=restarts)
        self._held_out = self.model.texts(self.conversations(np.flatnonzero(held_out)))
        self._identity = digest([step.expected.fingerprint, dict(step.expected.inputs)])
        self.passes = self.offline = offline
        self.curve: list[tuple[int, float]] = []
        self._rounds: list[dict[str, Any]] = []

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        return self._training.steps

    @property
    def seconds(self) -> float:
        """What the rounds so far have taken."""
        return sum(each["seconds"] for each in self._rounds)

    def conversations(self, rows: np.ndarray) -> list[Any]:
        """Return the conversations of rows of the pool, in their order."""
        return self._conversations.read(self._places.to_numpy()[rows]).to_list()

    def announce(self, rows: int, some: np.ndarray) -> dict[str, Any]:
        """Say what the loop will cost; return what its page shows.

        Args:
            rows: that it trains on at most, repetitions counted.
            some: rows of the pool to measure a pass on.

        Raises:
            ValueError: it would take longer than it may.
        """
        texts = self.model.texts(self.conversations(some[:TRIAL_ROWS]))
        own = [text for found in texts.of_row for text in found]
        if not own:
            return {}
        self.model.losses(own[:1])
        seconds = BACKWARD * timed(lambda: self.model.losses(own)) / len(texts.of_row) * rows
        seconds += CURVE * len(self._held_out.of_row) / max(1, rows) * seconds / BACKWARD
        basis = f"a pass over {len(texts.of_row)} rows was measured"
        if seconds > self._spec.hours * 3600:
            raise ValueError(
                f"{self._step.stage} would take about {seconds / 3600:,.1f} hours for {rows:,} rows ({basis}), and its "
                f"file allows {self._spec.hours:g}: raise hours, or lower the budget or the rounds"
            )
        size = BYTES_PER_ROW * len(self._places)
        return announced(self._step, Forecast(rows, seconds, peak_mb() / 1024, size, basis))

    def measure(self, done: int, total: int) -> None:
        """Measure the loss of held-out rows where it is time to.

        Args:
            done: rounds so far.
            total: rounds at most.
        """
        if len(self._held_out.of_row) and (done % max(1, -(-total // CURVE)) == 0 or done == total):
            self.curve.append((self.passes, self._training.held_out_loss(self._held_out)))

    def train(self, rows: np.ndarray, done: float) -> "Presented":
        """Train once on each of some rows of the pool; ``done``: share of the loop that lies behind."""
        found = self._training.train(self.conversations(rows), done)
        self.passes += len(rows)
        known = found.losses[np.isfinite(found.losses)]
        self.note(len(rows), float(known.mean()) if len(known) else None, found.seconds)
        return found

    def train_whole(self, rows: np.ndarray, epochs: int, *, fresh: bool) -> None:
        """Train on rows of the pool for some epochs, as one round with a schedule of its own.

        Args:
            rows: places in the pool.
            epochs: how often each is seen.
            fresh: begin with the first model.
        """
        if fresh:
            self._training.restart()
        losses, seconds = [], 0.0
        for part, done in whole_training(rows, epochs, self._spec.seed):
            found = self._training.train(self.conversations(part), done)
            losses += found.losses[np.isfinite(found.losses)].tolist()
            seconds += found.seconds
            self.passes += len(part)
        self.note(len(rows) * epochs, float(np.mean(losses)) if losses else None, seconds)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return (k, hidden) float32 the mean last states of rows of the pool under the model as it is now."""
        parts = np.array_split(rows, max(1, -(-len(rows) // AT_ONCE)))
        self.passes += len(rows)
        return np.concatenate([self.model.vectors(self.model.texts(self.conversations(part))) for part in parts])

    def worth(self, probes: np.ndarray, reference: "Texts", done: float) -> np.ndarray:
        """Return (m,) how far a step on each of some rows of the pool alone lowers the loss of ``reference``."""
        self.passes += len(probes) * (1 + len(reference.of_row))
        return self._training.worth(self.conversations(probes), reference, self._training.rate(done))

    def note(self, rows: int, loss: float | None, seconds: float) -> None:
        """Remember a round: rows that were trained on, their mean loss before their steps, wall time."""
        self._rounds.append({"rows": rows, "loss": loss, "forward_passes": self.passes, "seconds": seconds})

    def rounds_frame(self) -> pl.DataFrame:
        """Return a line for each round: ``round``, ``rows``, losses, ``forward_passes`` so far, ``seconds``."""
        curve = dict(self.curve)
        schema = {"rows": pl.Int64, "loss": pl.Float64, "forward_passes": pl.Int64, "seconds": pl.Float64}
        found = pl.DataFrame(self._rounds, schema=schema)
        held_out = pl.Series([curve.get(passes) for passes in found["forward_passes"]], dtype=pl.Float64)
        return found.select(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("round"),
            "rows",
            "loss",
            held_out.fill_nan(None).alias("held_out_loss"),
            "forward_passes",
            "seconds",
        )

    def save(self, state: Mapping[str, Any]) -> None:
        """Write where the loop stands.

        Raises:
            TimeoutError: it has taken longer than it may; what was written is gone on from when it may take longer.
        """
        own = {"passes": self.passes, "curve": self.curve, "rounds": self._rounds}
        self._training.save(self._folder, self._identity, {"loop": dict(state), **own})
        if self.seconds > self._spec.hours * 3600:
            raise TimeoutError(
                f"{self._step.stage} has trained for {self.seconds / 3600:,.2f} hours, and its file allows "
                f"{self._spec.hours:g}. What it has done is kept: raise hours and make the table again to go on"
            )

    def resume(self) -> Mapping[str, Any] | None:
        """Go on from what :meth:`save` has written, and return its state; None: there is nothing."""
        found = self._training.resume(self._folder, self._identity)
        if found is None:
            return None
        self.passes, self._rounds = found["passes"], found["rounds"]
        self.curve = [(passes, loss) for passes, loss in found["curve"]]
        return found["loop"]

    def shown(self) -> dict[str, Any]:
        """Return what a page shows of any such training."""
        found: dict[str, Any] = {
            "rows_read_in_training": self.passes - self.offline,
            "rows_read_before": self.offline,
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
        }
        if self.curve:
            found |= {"held_out_loss_before": self.curve[0][1], "held_out_loss": self.curve[-1][1]}
        if trained := model_tables(self._spec.model, self._named):
            found["model"] = table_link(*trained[0])
        return found

    def loss_shown(self) -> dict[str, Any]:
        """Return the picture of the losses by rows read."""
        made = self.rounds_frame().drop_nulls("loss")
        passes, losses = np.array(self.curve).T if self.curve else np.zeros((2, 0))
        png = plots.loss_curve(
            made["forward_passes"].to_numpy(),
            made["loss"].to_numpy(),
            passes,
            losses,
            "rows read, to choose or to train",
        )
        return {"plot: loss": picture(png, "losses by the rows that were read")}

    def finish(self) -> None:
        """Keep the model where the file says so, and remove what was written to go on from."""
        if self._spec.keep_model:
            self.model.publish(self._step.warehouse.settings.warehouse / "loop_models" / self._step.expected.key[-1])
        if self._folder.exists():
            shutil.rmtree(self._folder)

    @property
    def _folder(self) -> Path:
        return self._step.warehouse.settings.warehouse / "_loops" / self._step.expected.key[-1]
