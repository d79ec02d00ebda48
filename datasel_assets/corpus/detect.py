"""Find out which schema a source has, from a sample of its records.

Belongs here: the rule that picks a format and its columns, and the evidence that the UI shows. Not here: the names
each format goes by (``formats``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from datasel_assets.formats import FORMATS
from datasel_assets.formats.transcript import is_transcript
from datasel_assets.formats.turns import style_of

TEXT = {"text", "transcript"}
ENOUGH = 0.5
"""Share of sampled records that must have every required column; the first format that reaches it wins."""


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
    mapped = {name: _map(module, seen, given) for name, module in candidates.items()}
    if format != "auto":
        found = mapped.get(format, given)
        return Detection(format, found, f"{format}: set in the registry file; {_listed(found)}")
    shares = {name: _share(records, candidates[name], found) for name, found in mapped.items()}
    name = next((n for n, share in shares.items() if share >= ENOUGH), max(shares, key=shares.__getitem__, default=""))
    if name and shares[name] > 0:
        counted = f"in {round(shares[name] * len(records))} of {len(records)} sampled rows"
        return Detection(name, mapped[name], f"{name}: {_listed(mapped[name])}, {counted}")
    for name, found in mapped.items():
        if any(field in found for field in candidates[name].REQUIRED[0]):
            return Detection(name, found, f"{name}: {_listed(found)}; no column holds the response")
    names = ", ".join(repr(column) for column in seen) or "none"
    raise FormatError(
        f"cannot tell the schema from the columns {names}. Set 'format' (one of {', '.join(FORMATS)}) and name the "
        "columns, for example format: prompt_completion, columns: {prompt: <column>, response: <column>}"
    )


def kind_of(value: object) -> str | None:
    """Kind of a value as the ``KINDS`` of the formats name it; None for null and empty lists, which tell nothing."""
    if isinstance(value, str):
        return "transcript" if is_transcript(value) else "text"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    if style := style_of(value):
        return f"turn:{style}"
    if not isinstance(value, list):
        return None if value is None else "other"
    if not value:
        return None
    if style := style_of(value[0]):
        return f"turns:{style}"
    if isinstance(value[0], Mapping):
        return "instances" if "output" in value[0] else "other"
    return {str: "strings", list: "lists"}.get(type(value[0]), "other")


def _columns_of(records: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Column -> its commonest kind, in order of appearance."""
    kinds: dict[str, Counter[str]] = {}
    for record in records:
        for column, value in record.items():
            counts = kinds.setdefault(column, Counter())
            if kind := kind_of(value):
                counts[kind] += 1
    return {column: counts.most_common(1)[0][0] if counts else None for column, counts in kinds.items()}


def _map(module: ModuleType, seen: Mapping[str, str | None], given: Mapping[str, str]) -> dict[str, str]:
    """Field -> column: what the user gave, then the best-named unused column of an accepted kind."""
    by_lower = {column.lower(): column for column in reversed(list(seen))}
    found = dict(given)
    for field, names in module.FIELDS.items():
        if field in found:
            continue
        for name in names:
            column = by_lower.get(name.lower())
            # Without the rejected side, "chosen" is not a preference pair and may mean anything.
            if column is None or column in found.values() or (name == "chosen" and "rejected" not in by_lower):
                continue
            if seen[column] in module.KINDS.get(field, TEXT):
                found[field] = column
                break
    return found


def _share(records: Sequence[Mapping[str, Any]], module: ModuleType, found: Mapping[str, str]) -> float:
    """Share of the records in which one field of every required group has a value."""
    groups = [[found[field] for field in group if field in found] for group in module.REQUIRED]
    if not records or not all(groups):
        return 0.0
    complete = sum(all(any(record.get(c) is not None for c in group) for group in groups) for record in records)
    return complete / len(records)


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{field} = {column!r}" for field, column in columns.items()) or "no columns found"
