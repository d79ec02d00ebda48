"""Conversations as the token ids that a model reads: template, special tokens, truncation. Not here: the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.render import Message, chat, is_blank, plain, tulu
from datasel_assets.models.resolve import ModelNotFoundError, ResolvedModel
from datasel_assets.models.tokens import valid_text

CHARS_PER_TOKEN = 128
BATCH_ROWS = 1024


@dataclass(frozen=True)
class Tokens:
    """Token ids of n rows.

    Attributes:
        ids: n arrays of int32; empty for a row without content.
        truncated: (n,) bool, whether tokens were cut off.
        fallbacks: rows that the chat template refused and that were rendered as ``plain``.
    """

    ids: list[np.ndarray]
    truncated: np.ndarray
    fallbacks: int

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int32 tokens of each row, special tokens included."""
        return np.fromiter((len(row) for row in self.ids), dtype=np.int32, count=len(self.ids))


class ConversationTokenizer:
    """The tokenizer of one model, its template and its limit.

    Attributes:
        template: ``chat``, ``plain`` or ``tulu``: what ``auto`` came to.
        pad_id: an id for padding positions. Decoders often have none; any will do there, because padding stands on
            the right and is masked.
    """

    def __init__(self, resolved: ResolvedModel, template: str, max_tokens: int) -> None:
        """Load the tokenizer.

        Raises:
            ModelNotFoundError: the model has no fast tokenizer.
            ValueError: ``template`` is ``chat`` and the tokenizer has no chat template, or ``max_tokens`` holds no
                more than its special tokens.
        """
        from transformers import AutoTokenizer

        tokenizer: Any = AutoTokenizer.from_pretrained(resolved.path, local_files_only=True, trust_remote_code=False)
        if not tokenizer.is_fast:
            raise ModelNotFoundError(
                f"{resolved.path}: the tokenizer is the slow {type(tokenizer).__name__}; a tokenizer.json is needed"
            )
        has_chat = bool(tokenizer.chat_template)
        if template == "chat" and not has_chat:
            raise ValueError(f"{resolved.path}: the tokenizer has no chat template; use template: auto, plain or tulu")
        self.template = ("chat" if has_chat else "plain") if template == "auto" else template
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_padding()
        special = 0 if self.template == "chat" else self._backend.num_special_tokens_to_add(False)
        if max_tokens <= special:
            raise ValueError(f"max_tokens {max_tokens} leaves no room: {resolved.path} adds {special} special tokens")
        self._backend.enable_truncation(max_tokens)
        self._encoder = TextEncoder(self._backend)
        candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        self.pad_id: int = next(token for token in candidates if token is not None)

    def encode(self, conversations: Sequence[Sequence[Message]]) -> Tokens:
        """Return the token ids of each conversation, cut on the right at ``max_tokens``.

        A chat template writes the special tokens itself; otherwise the tokenizer adds them, also after a cut. Contents
        are text, whatever they spell. Text
        beyond ``128 * max_tokens`` characters is not even tokenised, so one huge row costs no more than others.
        """
        ids = [np.empty(0, np.int32)] * len(conversations)
        truncated = np.zeros(len(conversations), bool)
        fallbacks = 0
        limit = CHARS_PER_TOKEN * self.max_tokens
        full = [i for i, messages in enumerate(conversations) if not is_blank(messages)]
        for start in range(0, len(full), BATCH_ROWS):
            rows = full[start : start + BATCH_ROWS]
            texts = []
            for row in rows:
                text, refused = self._render(self._encoder.messages(conversations[row]))
                fallbacks += refused
                truncated[row] = len(text) > limit
                texts.append(valid_text(text[:limit]))
            encodings = self._encoder.encode(texts, add_special_tokens=self.template != "chat")
            for row, encoding in zip(rows, encodings, strict=True):
                ids[row] = np.array(encoding.ids, dtype=np.int32)
                truncated[row] |= bool(encoding.overflowing)
        return Tokens(ids, truncated, fallbacks)

    def _render(self, messages: Sequence[Message]) -> tuple[str, bool]:
        if self.template == "plain":
            return plain(messages), False
        if self.template == "tulu":
            return tulu(messages, self._tokenizer.eos_token or ""), False
        text = chat(self._tokenizer, messages)
        return (plain(messages), True) if text is None else (text, False)
