"""Find out which schema a source has, from a sample of its records.

Belongs here: the rule that picks a format and its columns, and the evidence that the UI shows. Not here: the names
each format goes by (``formats``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from datasel_assets.corpus.kinds import ANSWERS, TEXT, WRITTEN, fits, kind_of
from datasel_assets.corpus.threads import looks_like_single_messages
from datasel_assets.formats import FORMATS

ENOUGH = 0.5
"""Share of sampled records that must have every required column; the first format that reaches it wins."""

ANSWER_FIELDS = {"response", "answer"}
"""Fields that one value must stand in: several are not an answer."""


class FormatError(ValueError):
    """No schema fits; the message names the columns and what to write in the registry file."""


@dataclass(frozen=True)
class Detection:
    """The schema of a source: ``format`` (a key of FORMATS), ``columns`` (field -> column) and why."""

    format: str
    columns: dict[str, str]
    evidence: str


def detect_format(
    records: Sequence[Mapping[str, Any]], format: str = "auto", columns: Mapping[str, str] | None = None
) -> Detection:
    """Choose the format and the column of each field.

    Args:
        records: Sample of readable records of one source.
        format: ``auto`` or a key of FORMATS, which is then not questioned.
        columns: field -> column as set by the user; goes before anything detected.

    Returns:
        The detection. A source that has prompts but no answers is detected by its prompts: its rows then go to
        quarantine with a reason, which says more than a refusal of the file.

    Raises:
        FormatError: ``auto``, and the columns fit no format.
    """
    given = dict(columns or {})
    seen = _columns_of(records)
    candidates = {n: m for n, m in FORMATS.items() if format in ("auto", n) and given.keys() <= m.FIELDS.keys()}
    # First by texts alone; a number or a list decides a schema only where no texts do.
    mapped = {name: _map(module, seen, given, values=False) for name, module in candidates.items()}
    whole = {name: _map(module, seen, given, values=True) for name, module in candidates.items()}
    if format != "auto":
        found = whole.get(format, given)
        return Detection(format, found, f"{format}: set in the registry file; {_listed(found)}")
    name, share = _best(records, candidates, mapped, whole)
    if name == "text" and not given and (column := looks_like_single_messages(records)):
        raise FormatError(
            f"the column {column!r} says that the records are single messages and not documents. Put the messages of "
            "a conversation into one list of {role, content}, or give each message 'message_id' and 'parent_id'; "
            "format: text takes every record as a document"
        )
    if name and share > 0:
        counted = f"in {round(share * len(records))} of {len(records)} sampled rows"
        return Detection(name, whole[name], f"{name}: {_listed(whole[name])}, {counted}")
    for name, found in whole.items():
        if any(field in found for field in candidates[name].REQUIRED[0]):
            return Detection(name, found, f"{name}: {_listed(found)}; no column holds the response")
    names = ", ".join(repr(column) for column in seen) or "none"
    raise FormatError(
        f"cannot tell the schema from the columns {names}. Set 'format' (one of {', '.join(FORMATS)}) and name the "
        "columns, for example format: prompt_completion, columns: {prompt: <column>, response: <column>}"
    )


def _best(
    records: Sequence[Mapping[str, Any]],
    candidates: Mapping[str, ModuleType],
    by_text: Mapping[str, dict[str, str]],
    by_value: Mapping[str, dict[str, str]],
) -> tuple[str, float]:
    """(format, share of the records that have its columns): the first that most of them have, documents last."""
    tries = [(name, by_text) for name in candidates if name != "text"]
    tries += [(name, by_value) for name in candidates]
    shares = [(name, _share(records, candidates[name], found[name])) for name, found in tries]
    enough = next((pair for pair in shares if pair[1] >= ENOUGH), None)
    return enough or max(shares, key=lambda pair: pair[1], default=("", 0.0))


def _columns_of(records: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Column -> its commonest kind, in order of appearance."""
    kinds: dict[str, Counter[str]] = {}
    for record in records:
        for column, value in record.items():
            counts = kinds.setdefault(column, Counter())
            if kind := kind_of(value):
                counts[kind] += 1
    return {column: counts.most_common(1)[0][0] if counts else None for column, counts in kinds.items()}


def _map(module: ModuleType, seen: Mapping[str, str | None], given: Mapping[str, str], values: bool) -> dict[str, str]:
    """Field -> column: what the user gave, then the best-named unused column of an accepted kind.

    Args:
        module: one of FORMATS.
        seen: column -> its commonest kind.
        given: field -> column as set by the user.
        values: take columns of other values, too, for fields that no column of an accepted kind was found for.
    """
    by_lower = {str(column).lower(): column for column in reversed(list(seen))}
    found = dict(given)
    for by_value in (False, True) if values else (False,):
        for field in module.FIELDS:
            if field not in found and (column := _column_of(module, field, by_lower, seen, found, by_value)):
                found[field] = column
    return found


def _column_of(
    module: ModuleType,
    field: str,
    by_lower: Mapping[str, str],
    seen: Mapping[str, str | None],
    found: Mapping[str, str],
    by_value: bool,
) -> str | None:
    names = module.VALUES.get(field, ()) if by_value else module.FIELDS[field]
    for name in names:
        column = by_lower.get(name.lower())
        # Without the rejected side, "chosen" is not a preference pair and may mean anything.
        if column is None or column in found.values() or (name == "chosen" and "rejected" not in by_lower):
            continue
        if accepts(module, field, seen[column], by_value):
            return column
    return None


def accepts(module: ModuleType, field: str, kind: str | None, by_value: bool = True) -> bool:
    """Whether a field of a format takes values of a kind, by text alone or also where it takes other values."""
    if by_value and field in module.VALUES:
        return fits(kind, ANSWERS if field in ANSWER_FIELDS else WRITTEN)
    return fits(kind, module.KINDS.get(field, TEXT))


def _share(records: Sequence[Mapping[str, Any]], module: ModuleType, found: Mapping[str, str]) -> float:
    """Share of the records in which one field of every required group has a value."""
    groups = [[found[field] for field in group if field in found] for group in module.REQUIRED]
    if not records or not all(groups):
        return 0.0
    complete = sum(all(any(record.get(c) is not None for c in group) for group in groups) for record in records)
    return complete / len(records)


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{field} = {column!r}" for field, column in columns.items()) or "no columns found"
