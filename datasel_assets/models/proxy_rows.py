"""The rows of a proxy language model: which are trained on, which are held out, in which order, as blocks of tokens.

Belongs here: draws by hash, the two sides, rendering. Not: the training (:mod:`~datasel_assets.models.proxy_training`),
the tokenizer (:mod:`~datasel_assets.models.proxy_tokenizer`).

Draws are made from the names of the rows alone, and conversations are read as far as the budgets reach: of a large pool
only names and draws are in memory, some hundred bytes a row.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.corpus.identity import content_hash
from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.proxy_tokenizer import BOS, END
from datasel_assets.models.render import Message, is_blank
from datasel_assets.models.tokens import valid_text
from datasel_assets.specs.proxy import ProxySpec

Conversation = Sequence[Message]

BATCH_ROWS = 256
READ_ROWS = 4096
"""Rows that are read at first; each time that they do not do, three times as many as there are are read besides."""
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


@dataclass(frozen=True)
class Pool:
    """Conversations that are known by name, and read when they are needed.

    Attributes:
        names: ``row_id`` and ``content_hash`` of each row, as the corpus has them; every row has content.
        read: numbers of rows -> their messages, in the order asked for, as a Series of :data:`MESSAGES`.
    """

    names: pl.DataFrame
    read: Callable[[np.ndarray], pl.Series]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "Pool":
        """Return rows in memory as a pool; columns ``row_id``, ``content_hash``, ``messages``."""
        # In one piece: gathering from several copies them all.
        return cls(rows.select("row_id", "content_hash"), rows["messages"].rechunk().gather)

    def rows(self, places: np.ndarray) -> pl.DataFrame:
        """Return rows with their messages, as :meth:`of` takes them."""
        return self.named(places, self.read(places))

    def named(self, places: np.ndarray, messages: pl.Series) -> pl.DataFrame:
        """Return rows with messages that were read before."""
        return self.names[places].select("row_id", "content_hash").with_columns(messages.alias("messages"))

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.names.height


class ReadAhead:
    """Conversations of a pool in a given order, read as far as somebody goes, and kept.

    A draw lies all over the files of a pool, so that reading some rows walks over all of them. Reading ahead in steps
    that grow makes the walks few; at most four times as many rows are held as were asked for (or ``READ_ROWS``).
    """

    def __init__(self, pool: Pool, places: np.ndarray) -> None:
        """Take rows of ``pool`` in the order of ``places``; nothing is read yet."""
        self._pool, self._places = pool, places
        self._held = pl.Series("messages", [], dtype=MESSAGES)

    def __len__(self) -> int:
        """Return how many rows there are, read or not."""
        return len(self._places)

    def __getitem__(self, rows: slice) -> pl.Series:
        """Return the messages of consecutive rows."""
        start, stop, _ = rows.indices(len(self))
        while len(self._held) < stop:
            known = len(self._held)
            self._held = self._held.append(self._pool.read(self._places[known : known + max(READ_ROWS, 3 * known)]))
        return self._held[start:stop]


class DrawnRows:
    """Rows of a pool in the order of a draw, with the form in which each is shown."""

    def __init__(self, pool: Pool, drawn: pl.DataFrame) -> None:
        """Take rows of ``pool``; ``drawn``: from :func:`draw_rows`, all rows or some of them."""
        self._messages = ReadAhead(pool, drawn["place"].to_numpy())
        self._forms = drawn["form"]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._forms)

    def batches(self, rows: int | None = None) -> Iterator[tuple[list[Conversation], list[float]]]:
        """Yield some of the first ``rows`` rows (default: all) at a time, with their draws for the form."""
        total = len(self) if rows is None else rows
        for start in range(0, total, BATCH_ROWS):
            batch = slice(start, min(start + BATCH_ROWS, total))
            yield self._messages[batch].to_list(), self._forms[batch].to_list()


def pool_of(conversations: Iterable[Conversation | str]) -> pl.DataFrame:
    """Return conversations as the rows of a pool, named by their content; a text counts as one assistant message.

    Rows without content are left out.
    """
    found = [[{"role": "assistant", "content": row}] if isinstance(row, str) else row for row in conversations]
    rows = [[(m["role"], valid_text(m["content"])) for m in row] for row in found if not is_blank(row)]
    names = [content_hash(row) for row in rows]
    messages = [[{"role": role, "content": content} for role, content in row] for row in rows]
    schema = {"row_id": pl.String, "content_hash": pl.String, "messages": MESSAGES}
    return pl.DataFrame({"row_id": names, "content_hash": names, "messages": messages}, schema=schema)


def draw_rows(names: pl.DataFrame, spec: ProxySpec) -> pl.DataFrame:
    """Return the rows of a pool in the order of a hash of their id and the seed.

    Args:
        names: ``row_id`` and ``content_hash`` of the rows.
        spec: with the seed.

    Returns:
        ``place``: number of the row in ``names``; ``side`` and ``form``: uniform in [0, 1). The side is drawn by the
        content, so that all copies of a conversation are trained on or all are held out.
    """
    rows, contents = _uniform(names["row_id"], spec.seed), _uniform(names["content_hash"], spec.seed)
    drawn = {"place": np.arange(names.height), "order": rows[:, 0], "side": contents[:, 1], "form": rows[:, 2]}
    return pl.DataFrame(drawn).with_columns(names["row_id"]).sort("order", "row_id").select("place", "side", "form")


def split_rows(drawn: pl.DataFrame, spec: ProxySpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return training and held-out rows, at least one of each.

    Raises:
        ValueError: fewer than two different rows.
    """
    sides = drawn["side"].to_numpy()
    if len(np.unique(sides)) < 2:
        raise ValueError(f"a proxy model needs 2 different rows with content, but {len(sides)} are given: add sources")
    limit = min(max(spec.held_out, np.nextafter(sides.min(), 1)), sides.max())
    return drawn.filter(pl.col("side") >= limit), drawn.filter(pl.col("side") < limit)


def contents(rows: DrawnRows, chars: int, first: int | None = None) -> Iterator[str]:
    """Yield the contents of the messages of the ``first`` rows (default: all) until ``chars`` characters are out."""
    for batch, _ in rows.batches(first):
        for message in (message for row in batch for message in row):
            if chars <= 0:
                return
            chars -= len(message["content"])
            yield message["content"]


def blocks_of(
    tokenizer: Any, renderer: DialogueRenderer, rows: DrawnRows, budget: int, spec: ProxySpec
) -> tuple[np.ndarray, int]:
    """Return rows end to end, cut into (n, T) int64 blocks, and how many of them ``budget`` tokens took.

    Args:
        tokenizer: of the model.
        renderer: with its chat template.
        rows: in order.
        budget: no row is begun when there are so many tokens.
        spec: length of a block, share of bare rows.
    """
    encoder = TextEncoder(tokenizer.backend_tokenizer)
    parts: list[np.ndarray] = []
    tokens = used = 0
    for batch, forms in rows.batches():
        texts = [valid_text(_text(row, form, renderer, encoder, spec)) for row, form in zip(batch, forms, strict=True)]
        for encoding in encoder.encode(texts):
            if tokens < budget:
                parts.append(np.array(encoding.ids, np.int64))
                tokens += len(encoding)
                used += 1
        if tokens >= budget:
            break
    stream = np.concatenate(parts)
    length = min(spec.max_tokens, len(stream))
    return stream[: len(stream) // length * length].reshape(-1, length), used


def data_digest(names: pl.DataFrame) -> str:
    """Return a hash of the rows of a pool, whatever their order."""
    state = hashlib.blake2b(digest_size=8)
    for row in names.select("row_id", "content_hash").sort(pl.all()).iter_rows():
        state.update(" ".join(row).encode() + b"\n")
    return state.hexdigest()


def _uniform(names: pl.Series, seed: int) -> np.ndarray:
    """Return (n, 3) draws, uniform in [0, 1), from the hash of each name."""
    drawn = bytearray()
    for name in names:
        drawn += hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=24).digest()
    return np.frombuffer(drawn, ">u8").reshape(-1, 3) / 2**64


def _text(row: Conversation, form: float, renderer: DialogueRenderer, encoder: TextEncoder, spec: ProxySpec) -> str:
    last = row[-1]
    if form < spec.bare_share and last["role"] == "assistant" and last["content"].strip():
        header = renderer.header if form < spec.bare_share / 2 else ""
        return f"{BOS}{header}{encoder.shield(last['content'])}{END}"
    return renderer.render(row).text
