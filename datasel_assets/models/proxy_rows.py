"""The rows of a proxy language model: which are trained on, which are held out, in which order, as blocks of tokens.

Belongs here: draws by hash, the two sides, rendering. Not: the training (:mod:`~datasel_assets.models.proxy_training`),
the tokenizer (:mod:`~datasel_assets.models.proxy_tokenizer`).

A pool is a table with ``row_id``, ``content_hash`` and ``messages``, as the corpus has them, every row with content.
Draws are made from the names alone and texts are read a few at a time, so that a large pool costs 24 bytes a row.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.corpus.identity import content_hash
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.proxy_tokenizer import BOS, END
from datasel_assets.models.render import Message, is_blank
from datasel_assets.models.tokens import valid_text
from datasel_assets.specs.proxy import ProxySpec

Conversation = Sequence[Message]

BATCH_ROWS = 256
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


def pool_of(conversations: Iterable[Conversation | str]) -> pl.DataFrame:
    """Return conversations as a pool, named by their content; a text counts as one assistant message.

    Rows without content are left out.
    """
    found = [[{"role": "assistant", "content": row}] if isinstance(row, str) else row for row in conversations]
    rows = [[(m["role"], valid_text(m["content"])) for m in row] for row in found if not is_blank(row)]
    names = [content_hash(row) for row in rows]
    messages = [[{"role": role, "content": content} for role, content in row] for row in rows]
    schema = {"row_id": pl.String, "content_hash": pl.String, "messages": MESSAGES}
    return pl.DataFrame({"row_id": names, "content_hash": names, "messages": messages}, schema=schema)


def draw_rows(pool: pl.DataFrame, spec: ProxySpec) -> pl.DataFrame:
    """Return the rows of a pool in the order of a hash of their id and the seed.

    Returns:
        ``place``: number of the row in ``pool``; ``side`` and ``form``: uniform in [0, 1). The side is drawn by the
        content, so that all copies of a conversation are trained on or all are held out.
    """
    rows, contents = _uniform(pool["row_id"], spec.seed), _uniform(pool["content_hash"], spec.seed)
    drawn = {"place": np.arange(pool.height), "order": rows[:, 0], "side": contents[:, 1], "form": rows[:, 2]}
    return pl.DataFrame(drawn).with_columns(pool["row_id"]).sort("order", "row_id").select("place", "side", "form")


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


def contents(messages: pl.Series, drawn: pl.DataFrame, chars: int) -> Iterator[str]:
    """Yield the contents of the messages of ``drawn`` rows until ``chars`` characters are out."""
    for batch, _ in _batches(messages, drawn):
        for message in (message for row in batch for message in row):
            if chars <= 0:
                return
            chars -= len(message["content"])
            yield message["content"]


def blocks_of(
    tokenizer: Any, renderer: DialogueRenderer, messages: pl.Series, drawn: pl.DataFrame, budget: int, spec: ProxySpec
) -> tuple[np.ndarray, int]:
    """Return rows end to end, cut into (n, T) int64 blocks, and how many of them ``budget`` tokens took.

    Args:
        tokenizer: of the model.
        renderer: with its chat template.
        messages: of the pool.
        drawn: rows of the pool, in order, from :func:`draw_rows`.
        budget: no row is begun when there are so many tokens.
        spec: length of a block, share of bare rows.
    """
    parts: list[np.ndarray] = []
    tokens = used = 0
    for batch, forms in _batches(messages, drawn):
        texts = [valid_text(_text(row, form, renderer, spec)) for row, form in zip(batch, forms, strict=True)]
        for encoding in tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            if tokens < budget:
                parts.append(np.array(encoding.ids, np.int64))
                tokens += len(encoding)
                used += 1
        if tokens >= budget:
            break
    stream = np.concatenate(parts)
    length = min(spec.max_tokens, len(stream))
    return stream[: len(stream) // length * length].reshape(-1, length), used


def data_digest(pool: pl.DataFrame) -> str:
    """Return a hash of the rows of a pool, whatever their order."""
    state = hashlib.blake2b(digest_size=8)
    for names in pool.select("row_id", "content_hash").sort(pl.all()).iter_rows():
        state.update(" ".join(names).encode() + b"\n")
    return state.hexdigest()


def _uniform(names: pl.Series, seed: int) -> np.ndarray:
    """Return (n, 3) draws, uniform in [0, 1), from the hash of each name."""
    drawn = bytearray()
    for name in names:
        drawn += hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=24).digest()
    return np.frombuffer(drawn, ">u8").reshape(-1, 3) / 2**64


def _batches(messages: pl.Series, drawn: pl.DataFrame) -> Iterator[tuple[list[Conversation], list[float]]]:
    """Yield some rows at a time, with their draws for the form."""
    for part in drawn.iter_slices(BATCH_ROWS):
        yield messages.gather(part["place"]).to_list(), part["form"].to_list()


def _text(row: Conversation, form: float, renderer: DialogueRenderer, spec: ProxySpec) -> str:
    last = row[-1]
    if form < spec.bare_share and last["role"] == "assistant" and last["content"].strip():
        header = renderer.header if form < spec.bare_share / 2 else ""
        return f"{BOS}{header}{last['content']}{END}"
    return renderer.render(row).text
