"""How many tokens a text has. Loads ``tokenizer.json`` through ``tokenizers`` alone: no torch, no transformers."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.resolve import ModelNotFoundError, resolve_model

PIECE_CHARS = 1_000_000
BATCH_CHARS = 4_000_000


def valid_text(text: str) -> str:
    """Return ``text`` with lone surrogates replaced by ``?``: they cannot be written as UTF-8, so nothing reads them.

    >>> valid_text("a" + chr(0xD800))
    'a?'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


class TokenCounter:
    """Counts the tokens of texts with the tokenizer of ``model``.

    Attributes:
        identity: changes when the tokenizer does; part of the fingerprint of a table that stores counts.
    """

    def __init__(self, model: str, revision: str | None = None, *, base: Path | None = None) -> None:
        """Load the tokenizer of ``model`` (found as :func:`datasel_assets.models.resolve.resolve_model` does).

        Raises:
            ModelNotFoundError: no such model, or it has no ``tokenizer.json``.
        """
        from tokenizers import Tokenizer

        resolved = resolve_model(model, revision, base=base)
        file = resolved.path / "tokenizer.json"
        if not file.is_file():
            raise ModelNotFoundError(
                f"model {model!r}: {resolved.path} has no tokenizer.json; "
                "write one with transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            )
        content = file.read_bytes()
        self._tokenizer = Tokenizer.from_buffer(content)
        # tokenizer.json may carry the limits of the model's own training (128 tokens for MiniLM): a count must not.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._encoder = TextEncoder(self._tokenizer)
        self.identity = f"tokenizer:{hashlib.blake2b(content, digest_size=8).hexdigest()}"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without special tokens and without truncation.

        Text that spells a special token has the tokens of its characters.

        Texts over 1,000,000 characters are counted in pieces cut at white space, which bounds the memory; a
        tokenizer that marks the start of a text may then count one token more for each further piece.
        """
        counts = [0] * len(texts)
        for owners, pieces in _batches(texts):
            encodings = self._encoder.encode(list(map(self._encoder.shield, pieces)))
            for owner, encoding in zip(owners, encodings, strict=True):
                counts[owner] += len(encoding)
        return counts


def _batches(texts: Sequence[str]) -> Iterator[tuple[list[int], list[str]]]:
    owners: list[int] = []
    pieces: list[str] = []
    chars = 0
    for index, text in enumerate(texts):
        for piece in _pieces(valid_text(text)):
            if pieces and chars + len(piece) > BATCH_CHARS:
                yield owners, pieces
                owners, pieces, chars = [], [], 0
            owners.append(index)
            pieces.append(piece)
            chars += len(piece)
    if pieces:
        yield owners, pieces


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > PIECE_CHARS:
        end = start + PIECE_CHARS
        space = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
        end = space if space > start else end
        yield text[start:end]
        start = end
    yield text[start:]
