"""Names of rows: content hashes and row ids.

Belongs here: what makes two conversations the same. Not here: counting equal ones (``ordinals``), tables or files. All
hashes are BLAKE2b with 128 bits, written as 32 hexadecimal digits, and do not depend on the platform or the process.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b

DIGEST_BYTES = 16
_quote = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def normalise(text: str) -> str:
    """Text as it is compared: Unicode NFC, every run of whitespace one space, none at the ends; case is kept."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def content_hash(
    messages: Iterable[tuple[str, str]],
    tools: str | None = None,
    untrained: Sequence[int] = (),
    images: Sequence[str] = (),
) -> str:
    """Hash of a conversation: canonical JSON of its ``[role, normalised content]`` pairs.

    What stands beside the messages follows as ``["tools", ...]``, ``["untrained", ...]`` and ``["images", ...]`` where
    there is any; none of these is a role.

    Args:
        messages: (role, content) in order; content must have a UTF-8 form.
        tools: definitions as JSON text; the order of their keys makes no difference.
        untrained: indices of messages that are not trained on.
        images: paths or addresses in order.

    Returns:
        32 hexadecimal digits.
    """
    # As json.dumps would write the list of lists, in half of the time.
    parts = [f"[{_quote(role)},{_quote(normalise(content))}]" for role, content in messages]
    if tools:
        parts.append(_encode(["tools", normalise(json.dumps(json.loads(tools), ensure_ascii=False, sort_keys=True))]))
    if untrained:
        parts.append(_encode(["untrained", *untrained]))
    if images:
        parts.append(_encode(["images", *images]))
    return blake2b(f"[{','.join(parts)}]".encode(), digest_size=DIGEST_BYTES).hexdigest()


def row_id(source: str, content: str, ordinal: int) -> str:
    """Id of a row: hash of its source, its content hash and its ordinal among equal contents of that source.

    Position and file do not enter, so ids survive re-ordering, re-sharding and appending. The parts cannot run
    into each other: a source is a slug and a content hash has a fixed length.
    """
    return blake2b(f"{source}\n{content}\n{ordinal}".encode(), digest_size=DIGEST_BYTES).hexdigest()
