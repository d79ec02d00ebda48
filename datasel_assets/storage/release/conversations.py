"""One conversation in the shapes that trainers read. Belongs here: pure conversions. Not: files, columns, ranks.

A tool call stands in the content of its assistant message as JSON text, as ingest stored it, and stays there: text
and call were joined, so taking them apart again would be a guess, and a ``tool_calls`` key that only some rows have
makes ``datasets`` infer a schema from the first rows that the later ones do not fit.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

Messages = Sequence[Mapping[str, Any]]

SHAREGPT_NAMES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
"""Our role -> ``from`` in ShareGPT, with the spellings that LLaMA-Factory reads by default."""

_SPLITTERS = {chr(code): f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}


class NotExpressibleError(ValueError):
    """A conversation has no faithful form in a format; the message is the reason, the same for all rows like it."""


def to_messages(messages: Messages) -> dict[str, Any]:
    """Return the conversation as OpenAI messages: ``{"messages": [{"role": ..., "content": ...}]}``."""
    return {"messages": _plain(messages)}


def to_marked_messages(messages: Messages, untrained: Collection[int]) -> dict[str, Any]:
    """Return the conversation as OpenAI messages, each with ``train``: whether its tokens are trained on.

    axolotl takes the mark for the last word whatever the role, so only answers bear True.

    Args:
        messages: the conversation.
        untrained: indices of the answers that are not to be trained on.
    """
    marked = [m | {"train": _is_trained(m, i, untrained)} for i, m in enumerate(_plain(messages))]
    return {"messages": marked}


def up_to_answers(messages: Messages, untrained: Collection[int]) -> list[list[dict[str, str]]]:
    """Return the conversation once for each answer that is to be trained on, ending with that answer.

    For trainers that train on the last message alone: what stands before it is then context, whatever it is.

    Raises:
        NotExpressibleError: no answer is to be trained on.
    """
    plain = _plain(messages)
    found = [plain[: i + 1] for i, message in enumerate(plain) if _is_trained(message, i, untrained)]
    if not found:
        raise NotExpressibleError("no answer of the row is to be trained on")
    return found


def to_prompt_completion(conversation: Messages) -> dict[str, Any]:
    """Return a conversation that ends with an answer as TRL's conversational prompt and completion.

    Raises:
        NotExpressibleError: nothing stands before the answer.
    """
    if len(conversation) < 2:
        raise NotExpressibleError("a prompt and completion need a message before the answer")
    return {"prompt": list(conversation[:-1]), "completion": list(conversation[-1:])}


def tool_list(tools: str) -> list[Any]:
    """Return tool definitions as axolotl reads them: a list of mappings, the schema of the parameters as JSON text.

    Schemas of different tools have different keys, which ``datasets`` would fill up with nulls everywhere.

    Args:
        tools: the definitions as JSON text.

    >>> tool_list('[{"function": {"name": "add", "parameters": {"type": "object"}}}]')
    [{'function': {'name': 'add', 'parameters': '{"type": "object"}'}}]

    Raises:
        NotExpressibleError: not a list of mappings.
    """
    found = json.loads(tools)
    if not isinstance(found, list) or not all(isinstance(tool, dict) for tool in found):
        raise NotExpressibleError("axolotl needs the definitions of tools as a list of mappings")
    return [{key: _with_parameters_as_text(value) for key, value in tool.items()} for tool in found]


def _with_parameters_as_text(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("parameters"), dict):
        return value | {"parameters": json.dumps(value["parameters"], ensure_ascii=False)}
    return value


def to_sharegpt(messages: Messages) -> dict[str, Any]:
    """Return the conversation as ShareGPT: ``{"conversations": [{"from": ..., "value": ...}]}``.

    Every conversation has this form; a tool result is an ``observation``.
    """
    return {
        "conversations": [{"from": SHAREGPT_NAMES.get(m["role"], m["role"]), "value": m["content"]} for m in messages]
    }


def to_alpaca(messages: Messages) -> dict[str, Any]:
    """Return the conversation as alpaca: instruction, input, output, system, history.

    Earlier exchanges go to ``history`` as [instruction, output] pairs and a leading system message to ``system``,
    which is how LLaMA-Factory reads multi-turn alpaca rows. ``input`` is always empty: corpora join it to the
    instruction when they are read.

    Raises:
        NotExpressibleError: tool messages, a system message in the middle, or turns that do not alternate.

    >>> to_alpaca([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}])["output"]
    '4'
    """
    system, turns = _split_system(messages)
    for index, turn in enumerate(turns):
        if turn["role"] == "tool":
            raise NotExpressibleError("alpaca has no tool messages")
        if turn["role"] == "system":
            raise NotExpressibleError("alpaca has no system message after the first turn")
        if turn["role"] != ("user", "assistant")[index % 2]:
            raise NotExpressibleError("alpaca needs turns that alternate between user and assistant")
    if not turns or len(turns) % 2:
        raise NotExpressibleError("alpaca needs an assistant message at the end")
    texts = [turn["content"] for turn in turns]
    return {
        "instruction": texts[-2],
        "input": "",
        "output": texts[-1],
        "system": system,
        "history": [[texts[i], texts[i + 1]] for i in range(0, len(texts) - 2, 2)],
    }


def require_llamafactory(messages: Messages) -> None:
    """Check that LLaMA-Factory's ShareGPT loader will use the conversation and not skip it with a warning.

    Its ``SharegptDatasetConverter`` takes one leading system message, then user or tool in odd and assistant in even
    places, an even number in all.

    Raises:
        NotExpressibleError: the loader would drop the row.
    """
    _, turns = _split_system(messages)
    allowed = ({"user", "tool"}, {"assistant"})
    if any(turn["role"] not in allowed[index % 2] for index, turn in enumerate(turns)):
        raise NotExpressibleError("LLaMA-Factory skips rows whose turns do not alternate")
    if not turns or len(turns) % 2:
        raise NotExpressibleError("LLaMA-Factory skips rows that do not end with an assistant message")


def json_line(value: object) -> str:
    """Return ``value`` as JSON on one line, whatever a reader takes for a line break.

    ``str.splitlines`` and several tools also break at U+0085, U+2028 and U+2029, which JSON lets stand in text.
    """
    text = json.dumps(value, ensure_ascii=False)
    for character, escaped in _SPLITTERS.items():
        text = text.replace(character, escaped)
    return text


def _plain(messages: Messages) -> list[dict[str, str]]:
    return [{"role": m["role"], "content": m["content"]} for m in messages]


def _is_trained(message: Mapping[str, str], index: int, untrained: Collection[int]) -> bool:
    return message["role"] == "assistant" and index not in untrained


def _split_system(messages: Messages) -> tuple[str, Messages]:
    if messages and messages[0]["role"] == "system":
        return messages[0]["content"], messages[1:]
    return "", messages
