"""What stands beside the messages: definitions of tools, pictures, and which answers are trained on.

Belongs here: the fields that every schema of conversations shares, and the last step of each converter. Not here: the
messages themselves (one file for each schema).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from datasel_assets.formats.conversation import Conversation, Message, RowError, unmapped
from datasel_assets.formats.turn_content import IMAGE, Image, address_of
from datasel_assets.formats.values import NotTextError, as_json, is_missing, parsed_json, type_name, without_nulls

FIELDS = {"tools": ("tools", "functions"), "images": ("images",)}
"""Fields that every schema but plain text has, beside its own."""
KINDS = {"tools": {"tools"}, "images": {"strings", "pictures"}}


def assemble(
    record: Mapping[str, Any],
    columns: Mapping[str, str],
    messages: list[Message],
    extra: dict[str, Any] | None = None,
    images: Sequence[tuple[int, Image]] = (),
    untrained: Sequence[int] = (),
) -> Conversation:
    """Return the conversation with the tools and pictures of its record, up to the last answer that is trained on.

    Args:
        record: One record of the source.
        columns: field -> column; optionally ``tools`` and ``images``.
        messages: (role, content) of each turn.
        extra: fields that nothing was taken from; all unmapped ones when left out.
        images: (index of the message, picture) in the order of their ``<image>``.
        untrained: indices of assistant messages that are marked as not to be trained on.

    Raises:
        RowError: tools or pictures that cannot be read, or no answer that may be trained on.
    """
    extra = unmapped(record, columns) if extra is None else extra
    tools = _tools(record, columns["tools"]) if "tools" in columns else None
    placed = [(index, image.address) for index, image in images if image.address is not None]
    if "images" in columns or len(placed) < len(images):
        messages, placed = _placed(messages, images, _pictures(record, columns.get("images")))
    if untrained:
        messages, untrained = _until_the_last_trained(messages, untrained)
        placed = [(index, address) for index, address in placed if index < len(messages)]
    if tools is None and not placed and not untrained:
        return Conversation(messages, extra)
    return Conversation(messages, extra, tools, tuple(untrained), tuple(address for _, address in placed))


def definitions(value: object) -> list[Any] | None:
    """The list of tool definitions that a value holds, as it is or as JSON text; None where it holds none."""
    found = parsed_json(value) if isinstance(value, str | bytes) else value
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        return None
    if found and all(isinstance(item, str | bytes) for item in found):
        found = [parsed_json(item) for item in found]
    named = all(isinstance(item, Mapping) and ("name" in item or "function" in item) for item in found)
    return found if named else None


def _tools(record: Mapping[str, Any], column: str) -> str | None:
    """Definitions as JSON text of a list; keys that are null only because Arrow aligned the structs are left out."""
    value = record.get(column)
    if is_missing(value):
        return None
    found = definitions(value)
    if found is None:
        raise RowError(f"wrong type: column {column!r} holds {type_name(value)} that is no list of tool definitions")
    try:
        plain = found if isinstance(value, str | bytes) else json.loads(as_json(without_nulls(found)))
    except NotTextError as error:
        raise RowError(f"wrong type: column {column!r} holds {error} among its tool definitions") from error
    return json.dumps(plain, ensure_ascii=False) if plain else None


def _pictures(record: Mapping[str, Any], column: str | None) -> list[str]:
    """Paths or addresses of the pictures beside the turns."""
    value = record.get(column) if column is not None else None
    if is_missing(value):
        return []
    addresses = [address_of(picture) for picture in (value if isinstance(value, list) else [value])]
    if None in addresses:
        raise RowError(f"not text: column {column!r} holds pictures without path or address; store them as files")
    return [address for address in addresses if address is not None]


def _placed(
    messages: list[Message], parts: Sequence[tuple[int, Image]], pictures: list[str]
) -> tuple[list[Message], list[tuple[int, str]]]:
    """Messages and (index of the message, picture): each picture beside the turns is one ``<image>`` in their text.

    Pictures of which no text speaks belong to the first question, as TRL places them.
    """
    if parts:
        unknown = [index for index, image in parts if image.address is None]
        if not unknown and pictures:
            raise RowError("images do not match: the messages name their pictures, and a column holds others")
        if len(unknown) != len(pictures):
            index, image = next((i, image) for i, image in parts if image.address is None)
            raise RowError(f"not text: message {index} has a part of type {image.kind!r:.40}")
        given = iter(pictures)
        return messages, [(i, next(given) if image.address is None else image.address) for i, image in parts]
    marks = [index for index, (_, content) in enumerate(messages) for _ in range(content.count(IMAGE))]
    if not marks and pictures:
        first = next((i for i, (role, _) in enumerate(messages) if role == "user"), 0)
        role, content = messages[first]
        messages = [*messages]
        messages[first] = (role, "\n".join([IMAGE] * len(pictures) + [content]))
        marks = [first] * len(pictures)
    if len(marks) != len(pictures) and pictures:
        raise RowError(f"images do not match: {len(pictures)} beside the turns, {len(marks)} {IMAGE} in the text")
    return messages, list(zip(marks, pictures, strict=False))


def _until_the_last_trained(messages: list[Message], untrained: Sequence[int]) -> tuple[list[Message], list[int]]:
    """Messages up to the last answer that is trained on; what follows it changes nothing that is trained."""
    left = set(untrained)
    trained = [i for i, (role, _) in enumerate(messages) if role == "assistant" and i not in left]
    if not trained:
        raise RowError("marked as not to be trained on: every answer has weight 0, train: false or the like")
    return messages[: trained[-1] + 1], sorted(i for i in left if i < trained[-1])
