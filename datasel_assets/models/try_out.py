"""Trying a selection out: a proxy trained a little further on it, on random rows, on the whole pool, several times.

Belongs here: which rows each arm is trained on, which rows they are measured on, the runs. Not: one training
(:mod:`~datasel_assets.models.fine_tune`), what may be said of the losses (:mod:`datasel_assets.diagnostics.outcomes`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from datasel_assets.arrays.weights import whole_copies
from datasel_assets.models.fine_tune import Arm, FineTuneSpec, training_tokens
from datasel_assets.models.proxy_rows import Conversation, Pool, ReadAhead
from datasel_assets.models.proxy_training import Progress
from datasel_assets.specs.proxy_eval import ProxyEvalSpec

SMALLEST_SET = 5
"""Sources with fewer held-out rows than this are measured together."""

COUNTED_ROWS = 1024
"""Rows whose tokens are counted at a time, until there are enough."""

START, RANDOM, WHOLE = "start", "random", "full pool"

LOSSES = {"set": pl.String, "arm": pl.String, "seed": pl.Int32, "loss": pl.Float64, "tokens": pl.Int64}
"""One line per held-out set, arm and seed: the mean loss of a response token in nats, and the response tokens."""


class Start(Protocol):
    """The common start of all arms: :class:`datasel_assets.models.fine_tune.ProxyStart`."""

    def sides(self, names: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers of rows to train on and of held-out rows, each in the order of a hash."""
        ...

    def row_tokens(self, messages: pl.Series) -> np.ndarray:
        """Return the training tokens of each row."""
        ...

    def measure(
        self,
        rows: pl.DataFrame,
        tokens: int,
        spec: FineTuneSpec,
        seed: int,
        held_out: Mapping[str, Sequence[Conversation]],
    ) -> Arm:
        """Train on some rows and return the loss on each held-out set."""
        ...


@dataclass(frozen=True)
class TriedOut:
    """What came of it.

    Attributes:
        losses: a frame of :data:`LOSSES`; the start stands there with each seed.
        tokens: that each arm was trained on.
        selected: rows of the selection.
        chosen: those of them that were trained on; the others are held out.
        held_out: conversations that were measured.
        seen: held-out rows of which an arm may have trained on a copy.
        seconds: by arm.
    """

    losses: pl.DataFrame
    tokens: int
    selected: int
    chosen: int
    held_out: int
    seen: int
    seconds: Mapping[str, float]


def try_out(
    start: Start,
    pool: Pool,
    recipe: str,
    selected: pl.Series,
    spec: ProxyEvalSpec,
    targets: Mapping[str, Sequence[Conversation]],
    progress: Progress,
    weights: Mapping[str, float] | None = None,
    most_copies: int | None = None,
) -> TriedOut:
    """Train every arm from the same start on as many tokens and measure it on what none has seen.

    Args:
        start: the proxy.
        pool: its ``names`` have ``source`` too; conversations are read as far as the arms go.
        recipe: name of the arm of the selection.
        selected: its row ids.
        spec: arms, repetitions, how they are trained.
        targets: name -> conversations that are held out besides.
        progress: called with (runs done, runs in all).
        weights: row id -> weight of each selected row; None: all weigh the same. A heavy row is trained on in whole
            copies (``arrays.weights.whole_copies``), rounded anew with each seed.
        most_copies: of a row at most; None: as many as it weighs.

    Raises:
        ValueError: all selected rows are held out.
    """
    names = pool.names
    training, unseen = start.sides(names)
    places = held_out_sets(names, unseen, spec.held_out_rows)
    sets = {name: pool.read(rows).to_list() for name, rows in places.items()}
    sets |= {f"target: {name}": list(found) for name, found in targets.items()}
    held_out = {name: sets[name] for name in sorted(sets)}
    copies = names["content_hash"].gather(unseen).is_in(names["content_hash"].gather(training).implode())
    chosen = training[names["row_id"].is_in(selected.implode()).to_numpy()[training]]
    if not len(chosen):
        raise ValueError(f"all {len(selected):,} rows that {recipe} selected are held out: nothing to train on")
    selection = pool.rows(chosen)
    once = int(start.row_tokens(selection["messages"]).sum())
    tokens = training_tokens(once, spec.epochs)
    settings = FineTuneSpec.model_validate(spec.model_dump(include=set(FineTuneSpec.model_fields)))
    arms = arms_of(recipe, full_pool=spec.full_pool)
    runs = [(START, 0), *((arm, seed) for seed in range(spec.seeds) for arm in arms)]
    lines, seconds = [], dict.fromkeys([START, *arms], 0.0)
    for done, (arm, seed) in enumerate(runs):
        if arm == START:
            rows = selection[:0]
        elif arm == recipe:
            rows = selection if weights is None else _by_weight(selection, weights, most_copies, seed)
        else:
            drawn = np.random.default_rng(seed).permutation(training)
            ahead = ReadAhead(pool, drawn)
            some = enough(ahead, once if arm == RANDOM else tokens, start.row_tokens)
            rows = pool.named(drawn[:some], ahead[:some])
        result = start.measure(rows, tokens, settings, seed, held_out)
        for s in range(spec.seeds) if arm == START else [seed]:
            lines += [(name, arm, s, loss, result.tokens[name]) for name, loss in result.losses.items()]
        seconds[arm] += result.seconds
        progress(done + 1, len(runs))
    return TriedOut(
        losses=pl.DataFrame(lines, schema=LOSSES, orient="row"),
        tokens=tokens,
        selected=len(selected),
        chosen=len(chosen),
        held_out=sum(len(found) for found in held_out.values()),
        seen=int(copies.sum()),
        seconds=seconds,
    )


def _by_weight(rows: pl.DataFrame, weights: Mapping[str, float], most: int | None, seed: int) -> pl.DataFrame:
    """Return rows as often as they weigh; copies have ids of their own, so that each has a place of its own."""
    ids = rows["row_id"].to_list()
    copies = whole_copies(ids, np.array([weights[row_id] for row_id in ids]), most, seed)
    number = pl.concat_str("row_id", pl.lit(" copy "), pl.int_range(pl.len()).over("row_id"))
    repeated = rows[np.repeat(np.arange(rows.height), copies)]
    first = pl.int_range(pl.len()).over("row_id") == 0
    return repeated.with_columns(row_id=pl.when(first).then("row_id").otherwise(number))


def arms_of(recipe: str, *, full_pool: bool) -> list[str]:
    """Return the names of the arms; the random recipe is compared with another draw."""
    others = [RANDOM, *([WHOLE] if full_pool else [])]
    return [recipe, *(name for name in others if name != recipe)]


def enough(rows: Any, wanted: int, count: Callable[[Any], np.ndarray]) -> int:
    """Return how many of the first rows hold ``wanted`` tokens together, or how many there are.

    Args:
        rows: something with a length that slices are taken of.
        wanted: tokens.
        count: slice of rows -> tokens of each.
    """
    taken = total = 0
    while taken < len(rows):
        sums = total + np.cumsum(count(rows[taken : taken + COUNTED_ROWS]))
        if sums[-1] >= wanted:
            return taken + int(np.searchsorted(sums, wanted)) + 1
        taken, total = taken + len(sums), int(sums[-1])
    return len(rows)


def held_out_sets(names: pl.DataFrame, unseen: np.ndarray, most: int) -> dict[str, np.ndarray]:
    """Return the numbers of the held-out rows of each set: the first of each source, small sources together.

    Args:
        names: ``source`` of all rows.
        unseen: numbers of the held-out rows, in order.
        most: rows of a source.
    """
    rows = names.select("source")[unseen].with_columns(place=unseen)
    rows = rows.group_by("source", maintain_order=True).head(most)
    sizes = rows.group_by("source").len()
    small = pl.col("source").is_in(sizes.filter(pl.col("len") < SMALLEST_SET)["source"].implode())
    named = rows.with_columns(set=pl.when(small).then(pl.lit("other sources")).otherwise("source: " + pl.col("source")))
    parts = named.group_by("set", maintain_order=True)
    return {str(name): part["place"].to_numpy() for (name,), part in parts}
