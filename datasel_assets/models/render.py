"""Conversations as the text that a model reads. Not here: tokens."""

from collections.abc import Mapping, Sequence

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


def is_blank(messages: Sequence[Message]) -> bool:
    """Whether no message has any content: such a row has nothing to embed, whatever tags a template would add."""
    return not any(message["content"].strip() for message in messages)
