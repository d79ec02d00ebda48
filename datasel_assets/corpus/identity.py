"""Names of rows: content hashes and row ids.

Belongs here: what makes two conversations the same. Not here: counting equal ones (``ordinals``), tables or files. All
hashes are BLAKE2b with 128 bits, written as 32 hexadecimal digits, and do not depend on the platform or the process.
"""

import json
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b

DIGEST_BYTES = 16
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def normalise(text: str) -> str:
    """Text as it is compared: Unicode NFC, every run of whitespace one space, none at the ends; case is kept."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def content_hash(messages: Iterable[tuple[str, str]]) -> str:
    """Hash of a conversation: canonical JSON of its ``[role, normalised content]`` pairs.

    Args:
        messages: (role, content) in order; content must have a UTF-8 form.

    Returns:
        32 hexadecimal digits.
    """
    canonical = _encode([[role, normalise(content)] for role, content in messages])
    return blake2b(canonical.encode(), digest_size=DIGEST_BYTES).hexdigest()


def row_id(source: str, content: str, ordinal: int) -> str:
    """Id of a row: hash of its source, its content hash and its ordinal among equal contents of that source.

    Position and file do not enter, so ids survive re-ordering, re-sharding and appending. The parts cannot run
    into each other: a source is a slug and a content hash has a fixed length.
    """
    return blake2b(f"{source}\n{content}\n{ordinal}".encode(), digest_size=DIGEST_BYTES).hexdigest()
