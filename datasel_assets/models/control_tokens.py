"""Control tokens stay the template's: text that spells one is read as text.

Belongs here: how the content of a message that holds the spelling of a special token ("[SEP]", "<|end|>") is written so
that a tokenizer reads its characters, and how such texts are encoded. Not here: templates (``render``, ``dialogue``).

A tokenizer turns the spelling of a special token into that token wherever it stands. Contents are therefore shielded
before a template sees them: behind the first character of each spelling goes a mark, a code point that Unicode keeps
out of all text. A second tokenizer, which is the first but drops the mark after special tokens have been looked for,
encodes the texts that hold one. All other texts go the way they always went.
"""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from datasel_assets.models.render import Message

MARK = "\ufdd0"
"""A noncharacter of Unicode: no text has it."""


class TextEncoder:
    """Encodes texts in which contents have been shielded.

    Args:
        backend: ``tokenizers.Tokenizer``. Its truncation and padding must be set before the first text is encoded.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        added = backend.get_added_tokens_decoder().values()
        self._spellings = sorted(
            {t.content for t in added if t.special and len(t.content) > 1}, key=lambda t: (-len(t), t)
        )
        either = "|".join(map(re.escape, self._spellings))
        # An alternative of nothing matches everywhere, so without special tokens nothing may match.
        self._spelled = re.compile(either or r"(?!)")
        self._starts = re.compile(f"(?={either})(.)" if either else r"(?!)", re.DOTALL)

    def shield(self, text: str) -> str:
        """Return ``text`` so that it is encoded as the characters it has; usually the same object."""
        return self._starts.sub(rf"\1{MARK}", text) if self._spelled.search(text) else text

    def messages(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return messages with shielded contents; the same object where no content spells a special token."""
        if not any(self._spelled.search(message["content"]) for message in messages):
            return messages
        return [{**message, "content": self.shield(message["content"])} for message in messages]

    def encode(self, texts: Sequence[str], *, add_special_tokens: bool = False, offsets: bool = False) -> list[Any]:
        """Return the encodings of texts.

        Args:
            texts: With shielded contents, and control tokens as the template spells them.
            add_special_tokens: Whether the tokenizer puts those of its own around each text.
            offsets: Whether encodings need character offsets, which count the marks.
        """
        marked = [i for i, text in enumerate(texts) if MARK in text]
        if not marked:
            return self._encode(self._backend, texts, add_special_tokens, offsets)
        chosen = set(marked)
        usual = [i for i in range(len(texts)) if i not in chosen]
        found: dict[int, Any] = {}
        for backend, rows in ((self._backend, usual), (self._dropping_marks, marked)):
            encodings = self._encode(backend, [texts[i] for i in rows], add_special_tokens, offsets)
            found.update(zip(rows, encodings, strict=True))
        return [found[i] for i in range(len(texts))]

    @staticmethod
    def _encode(backend: Any, texts: Sequence[str], add_special_tokens: bool, offsets: bool) -> list[Any]:
        encode = backend.encode_batch if offsets else backend.encode_batch_fast
        return encode(list(texts), add_special_tokens=add_special_tokens)

    @cached_property
    def _dropping_marks(self) -> Any:
        """The same tokenizer, but that it drops marks once special tokens have been found."""
        from tokenizers import Tokenizer

        state = json.loads(self._backend.to_str())
        drop = {"type": "Replace", "pattern": {"String": MARK}, "content": ""}
        others = [state["normalizer"]] if state.get("normalizer") else []
        state["normalizer"] = {"type": "Sequence", "normalizers": [drop, *others]}
        special = {token["content"] for token in state["added_tokens"] if token["special"]}
        for token in state["added_tokens"]:
            token["normalized"] = token["normalized"] and not token["special"]
        model = state["model"]
        if model["type"] == "Unigram":
            # Its vocabulary lists special tokens as if they were words, and a word that spells all of a text wins.
            worst = min(score for _, score in model["vocab"])
            longest = max(map(len, special), default=1)
            model["vocab"] = [[w, (longest + 1) * (worst - 1) if w in special else s] for w, s in model["vocab"]]
        return Tokenizer.from_str(json.dumps(state))
