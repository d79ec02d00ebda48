"""Which questions of a file of ``answers/`` are asked together, and which answered rows their request shows.

Belongs here: reading vectors and examples, putting questions together. Does not: how that is decided (``batching``),
the request (``answers.batch``), asking (``models``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.answers.batch import Batch, Member, member_of
from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.batching.batches import batch_questions, cluster_questions
from datasel_assets.batching.demonstrations import choose_demonstrations
from datasel_assets.batching.features import distance_blocks, distance_percentiles
from datasel_assets.specs.batch import BatchSpec
from datasel_assets.tables.answers.examples import Examples, examples_of
from datasel_assets.tables.answers.questions import Questions
from datasel_assets.tables.pool import read_vectors
from datasel_assets.tables.warehouse import Warehouse

CHUNK = 4096
"""Questions that are put together from: distances between all of them are looked at."""
RADIUS_PERCENT, REACH_PERCENT = 1, 8
"""Percentiles of the distances of questions to examples: what counts as alike, and how far an example reaches."""


@dataclass(eq=False)
class Together:
    """Puts the questions of one file together.

    Attributes:
        own: the file.
        warehouse: the opened data folder.
        shown: examples that stood in a request so far, as positions.
        uncovered: questions so far without an example within reach, which got their nearest.
    """

    own: Questions
    warehouse: Warehouse
    shown: set[int] = field(default_factory=set)
    uncovered: int = 0

    def members(self, source: str) -> Iterator[Member]:
        """Yield the questions about one source, those about the same rows together."""
        decides = self.own.decides(self.warehouse)
        for items, rows in self.own.items(self.warehouse, source):
            for item in items:
                yield member_of(self.own.spec, self.own.ask, item, rows, decides)

    def batches(self, members: Sequence[Member]) -> Iterator[Batch]:
        """Yield batches of questions; each holds one question of a kind about different rows, in a shuffled order."""
        groups: dict[tuple[Any, ...], list[Member]] = {}
        for member in members:
            # Neither two samples of one question nor the two orders of a pair may see each other.
            item = member.item
            groups.setdefault((item.question or "", item.sample, item.swapped), []).append(member)
        for _, group in sorted(groups.items()):
            yield from self._batches(group)

    def _batches(self, group: list[Member]) -> Iterator[Batch]:
        spec, examples = self.own.spec, self._examples
        how = spec.batch or BatchSpec(size=2, by="random")
        size = how.size if spec.batch else 1
        order = np.argsort(hash_keys([member.key for member in group], spec.seed), kind="stable")
        group = [group[one] for one in order]
        vectors = self._features(group, how.representation) if how.representation else np.zeros((len(group), 1))
        among = vectors
        if how.representation and examples and how.representation == examples.representation:
            among = examples.vectors
        radius = float(distance_percentiles(vectors, among, [RADIUS_PERCENT])[0]) if how.representation else 0.0
        clusters = cluster_questions(vectors, radius) if how.representation else np.arange(len(group))
        batches = batch_questions(how.by, clusters, size, spec.seed)
        # Who comes first is told by a hash of its question, whatever the clusters were.
        batches = [np.sort(batch) for batch in batches]
        shown = self._shown(group, batches, examples) if examples else [()] * len(batches)
        for batch, own in zip(batches, shown, strict=True):
            yield Batch(tuple(group[one] for one in batch), tuple(own))

    def _shown(self, group: list[Member], batches: list[np.ndarray], examples: Examples) -> list[list[Any]]:
        """Return the examples of each batch, the nearest first; none of a row that the batch asks about."""
        asked = self.own.spec.demonstrations
        assert asked is not None
        vectors = self._features(group, examples.representation)
        reach = float(distance_percentiles(vectors, examples.vectors, [REACH_PERCENT])[0])
        found = choose_demonstrations(
            asked.choose, vectors, examples.vectors, batches, examples.lengths, reach, asked.k, self.own.spec.seed
        )
        self.uncovered += len(found.uncovered)
        shown = []
        for batch, chosen in zip(batches, found.per_batch, strict=True):
            rows = {group[one].item.row_id for one in batch}
            left = [int(one) for one in chosen if examples.row_ids[one] not in rows]
            if not left:
                ((_, distance),) = distance_blocks(vectors[batch], examples.vectors)
                nearest = np.argsort(distance.min(axis=0), kind="stable")
                left = [int(one) for one in nearest if examples.row_ids[one] not in rows][: len(chosen)]
            self.shown.update(left)
            shown.append([(examples.texts[one], examples.replies[one]) for one in left])
        return shown

    @cached_property
    def _examples(self) -> Examples | None:
        return examples_of(self.own, self.warehouse) if self.own.spec.demonstrations else None

    @cached_property
    def _chosen(self) -> pl.DataFrame:
        return self.own.chosen(self.warehouse)

    def _features(self, group: list[Member], representation: str) -> np.ndarray:
        """Return (n, d) what questions are compared by: the vector of the row, of a pair the mean; 0 without one."""
        pairs = [(member.item.row_id, member.item.other or member.item.row_id) for member in group]
        wanted = sorted({row for pair in pairs for row in pair})
        rows = self._chosen.filter(pl.col("row_id").is_in(wanted)).sort("row_id")
        vectors = vectors_of_rows(self.warehouse, representation, rows)
        place = {row: at for at, row in enumerate(rows["row_id"])}
        first, second = (np.array([place[pair[side]] for pair in pairs]) for side in (0, 1))
        return (vectors[first] + vectors[second]) / 2


def vectors_of_rows(warehouse: Warehouse, representation: str, rows: pl.DataFrame) -> np.ndarray:
    """Return (n, d) vectors of some rows (``row_id``, ``source``), 0 where a row has none."""
    found = read_vectors(warehouse, representation, rows)
    vectors = np.asarray(found.vectors.take(np.arange(rows.height)), np.float64)
    vectors[found.missing] = 0.0
    return vectors
