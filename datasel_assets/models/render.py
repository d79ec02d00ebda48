"""Conversations as the text that a model reads. Not here: tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, str]


def plain(messages: Sequence[Message]) -> str:
    r"""Return the contents that are not blank, joined by ``"\n\n"``; roles are not written.

    >>> plain([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}])
    '2+2?\n\n4'
    """
    return "\n\n".join(message["content"] for message in messages if message["content"].strip())


def tulu(messages: Sequence[Message], eos: str) -> str:
    r"""Return the role-tagged text of RDS+ (arXiv 2503.01807): tag on its own line, ``eos`` after each answer.

    >>> tulu([{"role": "user", "content": " 2+2? "}, {"role": "assistant", "content": "4"}], "</s>")
    '<|user|>\n2+2?\n<|assistant|>\n4</s>'
    """
    turns = (
        f"<|{message['role']}|>\n{message['content'].strip()}{eos if message['role'] == 'assistant' else ''}"
        for message in messages
    )
    return "\n".join(turns)


def chat(tokenizer: Any, messages: Sequence[Message], *, generation: bool = False) -> str | None:
    """Return what the chat template of a ``transformers`` tokenizer writes, or None where it refuses the messages.

    Args:
        tokenizer: With a chat template.
        messages: Conversation.
        generation: Whether the header of an answer follows.
    """
    try:
        return tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=generation
        )
    except Exception:
        # A template is a program of the model's author. It refuses what the model never saw, such as a tool role or
        # two user turns in a row, by an error of its own or by whatever goes wrong in it.
        return None


def is_blank(messages: Sequence[Message]) -> bool:
    """Whether no message has any content: such a row has nothing to embed, whatever tags a template would add."""
    return not any(message["content"].strip() for message in messages)
