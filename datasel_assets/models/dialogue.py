"""Conversations as text in which the characters of each message are known. Not here: tokens, what is scored.

A chat template is a program that writes text around the contents. It is run once for each sequence of roles with
placeholders as contents, which gives the text between them; a row is then put together from those pieces, and
compared with what the template itself writes for it. So the place of a response is known by construction. It is not
searched for, because a short response also stands elsewhere.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.render import Message, chat
from datasel_assets.specs.causal import DialogueTemplate

ALPACA_PREAMBLE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
)
ALPACA_HEADERS = {
    "system": "",
    "user": "### Instruction:\n",
    "tool": "### Input:\n",
    "assistant": "### Response:",
}
SEPARATOR = "\n\n"
PLACEHOLDER = "\ue000{}\ue001"
FOUND = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True)
class Dialogue:
    """The text of a conversation.

    Attributes:
        text: what the model reads, without a BOS that the template does not write itself; contents that spell
            control tokens are shielded (``control_tokens``).
        spans: for each message the characters ``[start, end)`` of its content in ``text``; empty for a blank one.
        fallback: whether the chat template refused the row, or wrote contents otherwise than given, and the row is in
            the alpaca format instead.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    fallback: bool = False


@dataclass(frozen=True)
class _Skeleton:
    """What a chat template writes around the contents of a sequence of roles, and whether it strips each of them."""

    pieces: tuple[str, ...]
    strip_left: tuple[bool, ...]
    strip_right: tuple[bool, ...]


class DialogueRenderer:
    """Renders conversations for one tokenizer.

    Attributes:
        template: ``chat``, ``alpaca`` or ``plain``: what ``auto`` came to.
        header: what stands directly before the response of the assistant.
    """

    def __init__(self, tokenizer: Any, template: DialogueTemplate = "auto") -> None:
        """Take a ``transformers`` tokenizer.

        Args:
            tokenizer: asked for its chat template, and its special tokens.
            template: ``chat`` is the tokenizer's own; ``alpaca`` writes ``### Instruction:`` and ``### Response:``, as
                Cherry LLM and Superfiltering do; ``plain`` joins the contents with blank lines; ``auto`` is ``chat``
                where the tokenizer has a template, else ``alpaca``.

        Raises:
            ValueError: ``chat``, and the tokenizer has no chat template.
        """
        has_chat = bool(getattr(tokenizer, "chat_template", None))
        if template == "chat" and not has_chat:
            raise ValueError("the tokenizer has no chat template; use template: auto, alpaca or plain")
        self.template = ("chat" if has_chat else "alpaca") if template == "auto" else template
        self._tokenizer = tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._encoder = None if backend is None else TextEncoder(backend)
        self._skeletons: dict[tuple[str, ...], _Skeleton | None] = {}
        self.header = self._find_header()

    def render(self, messages: Sequence[Message]) -> Dialogue:
        """Return the text of ``messages``, contents shielded, and where each of them stands in it."""
        if self._encoder is not None:
            messages = self._encoder.messages(messages)
        if self.template == "chat":
            return self._chat(messages) or _blocks(messages, alpaca=True, fallback=True)
        return _blocks(messages, alpaca=self.template == "alpaca")

    def _chat(self, messages: Sequence[Message]) -> Dialogue | None:
        roles = tuple(message["role"] for message in messages)
        if roles not in self._skeletons:
            self._skeletons[roles] = self._skeleton(roles)
        skeleton = self._skeletons[roles]
        if skeleton is None:
            return None
        parts, spans, at = [skeleton.pieces[0]], [], len(skeleton.pieces[0])
        for i, message in enumerate(messages):
            content = message["content"]
            if skeleton.strip_left[i]:
                content = content.lstrip()
            if skeleton.strip_right[i]:
                content = content.rstrip()
            spans.append((at, at + len(content)))
            parts += (content, skeleton.pieces[i + 1])
            at += len(content) + len(skeleton.pieces[i + 1])
        text = "".join(parts)
        # A template may look into the contents (and drop a chain of thought, say): then the pieces are not its text.
        return Dialogue(text, tuple(spans)) if text == self._apply(messages) else None

    def _skeleton(self, roles: tuple[str, ...]) -> _Skeleton | None:
        """Return the pieces for ``roles``, or None where the template refuses them or does not write each content."""
        marks = [PLACEHOLDER.format(i) for i in range(len(roles))]
        bare = self._apply([{"role": r, "content": m} for r, m in zip(roles, marks, strict=True)])
        spaced = self._apply([{"role": r, "content": f"\t{m}\n"} for r, m in zip(roles, marks, strict=True)])
        expected = [str(i) for i in range(len(roles))]
        if bare is None or spaced is None or not FOUND.findall(bare) == FOUND.findall(spaced) == expected:
            return None
        pieces, around = FOUND.split(bare)[::2], FOUND.split(spaced)[::2]
        left, right = [], []
        for i, (piece, seen) in enumerate(zip(pieces, around, strict=True)):
            kept = [
                (newline, tab)
                for newline in ("\n", "")[i == 0 :]
                for tab in ("\t", "")[i == len(roles) :]
                if newline + piece + tab == seen
            ]
            if not kept:
                return None
            newline, tab = kept[0]
            if i > 0:
                right.append(not newline)
            if i < len(roles):
                left.append(not tab)
        return _Skeleton(tuple(pieces), tuple(left), tuple(right))

    def _apply(self, messages: Sequence[Message], *, generation: bool = False) -> str | None:
        return chat(self._tokenizer, messages, generation=generation)

    def _find_header(self) -> str:
        if self.template == "chat":
            question = [{"role": "user", "content": "?"}]
            without, with_header = self._apply(question), self._apply(question, generation=True)
            if without is not None and with_header is not None and len(with_header) > len(without):
                return with_header[len(without) :] if with_header.startswith(without) else ALPACA_HEADERS["assistant"]
        return ALPACA_HEADERS["assistant"]


def _blocks(messages: Sequence[Message], *, alpaca: bool, fallback: bool = False) -> Dialogue:
    """Return the messages that are not blank as blocks with a blank line between; with headers for ``alpaca``.

    A row without any prompt has no headers either: it is plain text.
    """
    prompted = alpaca and any(m["role"] != "assistant" and m["content"].strip() for m in messages)
    parts: list[str] = [ALPACA_PREAMBLE] if prompted else []
    at = len(ALPACA_PREAMBLE) if prompted else 0
    spans = []
    first = True
    for message in messages:
        content = message["content"]
        if not content.strip():
            spans.append((at, at))
            continue
        before = ("" if first else SEPARATOR) + (ALPACA_HEADERS.get(message["role"], "") if prompted else "")
        parts += (before, content)
        spans.append((at + len(before), at + len(before) + len(content)))
        at = spans[-1][1]
        first = False
    return Dialogue("".join(parts), tuple(spans), fallback)
