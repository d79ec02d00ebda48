"""Schemas of the two tables that ingest writes, and the way from Python lists to Arrow.

Belongs here: columns and types. Not here: hashing, conversion or files.
"""

import numpy as np
import pyarrow as pa

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])

CORPUS_SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("source", pa.string()),
        ("position", pa.int64()),
        ("messages", pa.list_(MESSAGE)),
        ("n_turns", pa.int32()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("n_chars", pa.int64()),
        ("n_tokens", pa.int32()),
        ("n_response_tokens", pa.int32()),
        ("content_hash", pa.string()),
        ("extra", pa.string()),
        ("tools", pa.string()),
        ("untrained", pa.list_(pa.int32())),
        ("images", pa.list_(pa.string())),
    ]
)
"""``tools`` is JSON text of a list of definitions, ``untrained`` holds indices of assistant messages that are marked as
not to be trained on, ``images`` paths or addresses; each is null where there is none."""

QUARANTINE_SCHEMA = pa.schema([("position", pa.int64()), ("raw", pa.string()), ("reason", pa.string())])


def messages_array(conversations: list[list[tuple[str, str]]]) -> pa.ListArray:
    """Column ``messages`` of n conversations: list<struct<role, content>>."""
    turns = np.fromiter((len(messages) for messages in conversations), dtype=np.int32, count=len(conversations))
    offsets = np.zeros(len(conversations) + 1, dtype=np.int32)
    np.cumsum(turns, out=offsets[1:])
    roles = pa.array([role for messages in conversations for role, _ in messages], pa.string())
    contents = pa.array([content for messages in conversations for _, content in messages], pa.string())
    values = pa.StructArray.from_arrays([roles, contents], fields=list(MESSAGE))
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=pa.list_(MESSAGE))
