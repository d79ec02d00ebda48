"""What a file of ``answers/`` asks: about which rows of the pool, of whom, and made from what.

Belongs here: reading rows, choosing them, what the answers depend on. Does not belong here: prompts and replies
(``answers``), what asking takes (``plan``), asking (``models``), the tables (``answers``, ``scores``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from datasel_assets.answers.asks import ask_of
from datasel_assets.answers.pairs import ring_pairs
from datasel_assets.answers.prompts import AskedRow, answered_otherwise, asked_row
from datasel_assets.answers.reading import COMPARED
from datasel_assets.answers.requests import Item, Request, pair_items, request_of, row_items
from datasel_assets.models.providers import Provider
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.answers import AnswersSpec, LocalSpec, PairsSpec, StoredSpec
from datasel_assets.specs.ask import AskSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Key
from datasel_assets.storage.replies import KeptReplies
from datasel_assets.tables.answers import providers
from datasel_assets.tables.answers.stored import Stored
from datasel_assets.tables.asked_rows import chosen_rows, row_deps, row_inputs
from datasel_assets.tables.trained_models import model_tables
from datasel_assets.tables.warehouse import Warehouse

BATCH_ROWS = 1024
NEAR_PAIRS = "near_pairs"
"""The table of pairs whose rows may be the same."""
MODELS, PEOPLE = "answers", "label_truth"
"""Tables that examples are taken from."""


@dataclass(frozen=True)
class Questions:
    """One file of ``answers/``.

    Attributes:
        name: of the file.
        spec: what it says.
        registry: of the data folder.
    """

    name: str
    spec: AnswersSpec
    registry: Registry

    @cached_property
    def ask(self) -> AskSpec:
        """What is asked."""
        return ask_of(self.spec.ask)

    @property
    def pairs(self) -> PairsSpec:
        """Which pairs are asked about."""
        return self.spec.pairs or PairsSpec()

    @property
    def of_pool(self) -> bool:
        """Whether which rows of a source are asked about depends on the other sources."""
        return self.spec.rows.sample is not None or self.ask.about == "pair"

    # ------------------------------------------------------------------------------------------------ what it reads
    def reads(self) -> list[Key]:
        """Return the keys of the tables that it is made from."""
        found: list[Key] = [("corpus",), *row_deps(self.spec.rows)]
        if isinstance(self.spec.provider, LocalSpec):
            name = self.spec.provider.local
            found += model_tables(name, self.registry.language_models[name])
        found += [("representations", name) for name in self.representations]
        found += [self.examples_key] if self.spec.demonstrations else []
        found += [(MODELS, self.spec.replies_of)] if self.spec.replies_of else []
        found += [(NEAR_PAIRS,)] if self.spec.adjudicates else []
        return found

    @property
    def representations(self) -> list[str]:
        """The representations that questions are put together by."""
        batch, shown = self.spec.batch, self.spec.demonstrations
        names = {batch.representation if batch else None, shown.representation if shown else None}
        return sorted(name for name in names if name is not None)

    @property
    def examples_key(self) -> Key:
        """The key of the tables that examples are taken from."""
        asked = self.spec.demonstrations
        assert asked is not None
        return (MODELS if asked.source in self.registry.answers else PEOPLE, asked.source)

    def fingerprint(self, version: str) -> str:
        """Return a hash of everything in the file that decides which answers there are and what they say."""
        said = self.spec.model_dump(mode="json", include={"samples", "temperature", "seed", "again", "rows", "price"})
        pairs = self.pairs.model_dump(include={"rings", "swap"}) if self.ask.about == "pair" else None
        ask = self.ask.model_dump(mode="json", exclude={"columns", "doc", "paper"})
        parts = [version, said, ask, pairs]
        if self.spec.replies_of:
            parts.append(self.spec.replies_of)
        if self.spec.adjudicates:
            parts.append(NEAR_PAIRS)
        if self.spec.together:
            parts.append(self.spec.model_dump(mode="json", include={"batch", "demonstrations"}))
        return digest(parts)

    def inputs(self, warehouse: Warehouse, source: str) -> dict[str, str]:
        """Return the versions of everything outside the file that decides them."""
        every = warehouse.versions("corpus")
        found = every if self.of_pool else {f"corpus/{source}": every.get(f"corpus/{source}", "missing")}
        found |= row_inputs(self.spec.rows, warehouse)
        if self.spec.replies_of:
            found |= warehouse.versions(MODELS, self.spec.replies_of)
        if self.spec.adjudicates:
            found[NEAR_PAIRS] = warehouse.lake.version((NEAR_PAIRS,))
        for name in self.representations:
            found |= warehouse.versions("representations", name)
        if self.spec.demonstrations:
            key = self.examples_key
            if key[0] == MODELS:
                found |= warehouse.versions(*key)
            else:
                found["/".join(key)] = warehouse.lake.version(key)
        return found | {"model": digest(self.decides(warehouse))}

    def decides(self, warehouse: Warehouse) -> dict[str, Any]:
        """Return what of the provider decides an answer."""
        return providers.decides(self.spec.provider, warehouse)

    def provider(self, warehouse: Warehouse) -> Provider:
        """Return who is asked; loads the model where it is one of this process."""
        return providers.provider(self.spec.provider, warehouse)

    def kept(self, warehouse: Warehouse) -> KeptReplies:
        """Return the replies that are there: those that were paid for here, or those that came from elsewhere."""
        provider, folder = self.spec.provider, warehouse.settings.warehouse / "_replies" / self.name
        if not isinstance(provider, StoredSpec):
            return KeptReplies(folder)
        stored = Stored(provider, warehouse)
        every = (request for source in warehouse.active_sources() for request in self.requests(warehouse, source))
        return KeptReplies(folder, stored.kept(every))

    # ------------------------------------------------------------------------------------------------ rows
    def chosen(self, warehouse: Warehouse) -> pl.DataFrame:
        """Return ``row_id`` and ``source`` of the rows of the pool that are asked about, by row id."""
        chosen = chosen_rows(self.spec.rows, warehouse)
        if isinstance(self.spec.provider, StoredSpec):
            replied = Stored(self.spec.provider, warehouse).replies
            return chosen.filter(pl.col("row_id").is_in(list(replied)))
        return chosen

    def requests(self, warehouse: Warehouse, source: str) -> Iterator[Request]:
        """Yield the first request for each item of one source; of a pair it is the source of its first row."""
        decides = self.decides(warehouse)
        for items, rows in self.items(warehouse, source):
            for item in items:
                yield request_of(self.spec, self.ask, item, rows, decides)

    def count(self, warehouse: Warehouse, source: str) -> int:
        """Return how many items there are of one source."""
        return sum(len(items) for items, _ in self.items(warehouse, source))

    def items(self, warehouse: Warehouse, source: str) -> Iterator[tuple[list[Item], Mapping[str, AskedRow]]]:
        """Yield some items together with the rows that they are about."""
        chosen = self.chosen(warehouse)
        if self.ask.about == "pair":
            own = self._own_pairs(warehouse, chosen, source)
            sources = chosen["source"].unique().to_list()
            wanted = {row for pair in own for row in pair}
            rows: dict[str, AskedRow] = {}
            for name in sorted(set(sources)):
                for found in read_rows(warehouse, name, wanted):
                    rows |= found
            for a, b in own:
                yield list(pair_items(self.ask, a, b, self.spec.samples, swap=self.pairs.swap)), rows
            return
        wanted = set(chosen.filter(pl.col("source") == source)["row_id"])
        replies = self._replies(warehouse, source) if self.spec.replies_of else {}
        wanted &= set(replies) if self.spec.replies_of else wanted
        for rows in read_rows(warehouse, source, wanted):
            rows |= {row: answered_otherwise(rows[row], replies[row]) for row in rows if row in replies}
            for row_id, row in rows.items():
                yield list(row_items(self.ask, row_id, row, self.spec.samples)), rows

    def _replies(self, warehouse: Warehouse, source: str) -> dict[str, str]:
        """Return row id -> what another file's model answered to it, of several samples the first."""
        key = (MODELS, str(self.spec.replies_of), source)
        if not warehouse.lake.info(key):
            raise ValueError(
                f"answers/{self.name}.yaml: replies_of: nobody has answered the rows of {source} yet; do it with: "
                f"datasel ask {self.spec.replies_of}"
            )
        told = warehouse.lake.scan(key).filter(pl.col("reply").is_not_null() & (pl.col("sample") == 0))
        return dict(told.select("row_id", "reply").collect().iter_rows())

    def _own_pairs(self, warehouse: Warehouse, chosen: pl.DataFrame, source: str) -> list[tuple[str, str]]:
        """Return the pairs whose first row is of a source."""
        of = dict(chosen.select("row_id", "source").iter_rows())
        if self.spec.adjudicates:
            table = warehouse.lake.scan((NEAR_PAIRS,)).filter("is_asked").select("row_id", "other").collect()
            return [(row, other) for row, other in table.iter_rows() if of.get(row) == source]
        ids = chosen["row_id"].to_numpy()
        pairs = ring_pairs(ids, self.pairs.rings, self.spec.seed)
        named = [(str(ids[a]), str(ids[b])) for a, b in pairs.tolist()]
        return [(row, other) for row, other in named if of[row] == source]

    def responses(self, warehouse: Warehouse, source: str) -> Mapping[str, str]:
        """Return row id -> response, where replies are compared with it; else nothing."""
        if self.ask.reply.read not in COMPARED:
            return {}
        chosen = self.chosen(warehouse).filter(pl.col("source") == source)["row_id"]
        rows = warehouse.lake.scan(("corpus", source)).filter(pl.col("row_id").is_in(chosen.implode()))
        return dict(rows.select("row_id", "response").collect().iter_rows())


def read_rows(warehouse: Warehouse, source: str, wanted: set[str]) -> Iterator[dict[str, AskedRow]]:
    """Yield the wanted rows of a source as templates see them, some at a time."""
    if not wanted:
        return
    for batch in warehouse.lake.read_batches(("corpus", source), ["row_id", "messages"], rows=BATCH_ROWS):
        frame = pl.DataFrame(pl.from_arrow(batch)).filter(pl.col("row_id").is_in(list(wanted)))
        rows = {row_id: asked_row(messages) for row_id, messages in frame.iter_rows()}
        if rows:
            yield rows
