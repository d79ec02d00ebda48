"""The columns of one record: those of its source, and known names that the sample did not show.

Belongs here: which column a field is read from in one record, what nobody reads, and marks that say a record is bad.
Not here: the columns of a source (``detect``), what a field means (``formats``).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datasel_assets.corpus.detect import ANSWER_FIELDS, Detection, accepts
from datasel_assets.corpus.kinds import kind_of
from datasel_assets.corpus.threads import UNDESIRABLE
from datasel_assets.formats import FORMATS
from datasel_assets.formats.conversation import RowError
from datasel_assets.formats.values import is_missing

VERDICTS = ("label", "kto_tag", "is_desirable", "desirable")
"""Columns in which unpaired preference data (KTO) says whether an answer is good."""
WORDS = ("rank", "label", "feedback", "quality")
BAD = {"bad", "undesirable", "rejected", "thumbs_down", "thumbs down"}
BEARING = {"label", "rank", "weight", "reasoning", "reasoning_content", "thinking", "image", "videos", "audios"}
"""Names that no field has and that usually bear on training."""
OTHERS = "(other columns)"
MOST_NAMES = 1_000
"""Columns that are counted by name; a source whose keys are data has no end of them."""
MOST_PLANS = 1_000


@dataclass(frozen=True, slots=True)
class _Candidates:
    """A field, its column in most records, and other columns of this record that go by one of its names."""

    field: str
    column: str | None
    others: tuple[str, ...]


class RecordColumns:
    """field -> column of each record of one source."""

    def __init__(self, detection: Detection, given: Mapping[str, str], judged: bool = True) -> None:
        """``judged`` refuses records that are marked as bad; items of an evaluation are compared however marked."""
        self._columns = detection.columns
        self._module = FORMATS[detection.format]
        self._given = given
        self._plans: dict[tuple[str, ...], tuple[tuple[_Candidates, ...], bool]] = {}
        self._judged = (*VERDICTS, *WORDS) if judged and detection.format != "text" else ()

    def of(self, record: Mapping[str, Any]) -> Mapping[str, str]:
        """Columns of one record: those of the source, and another known one where its own holds nothing.

        Raises:
            RowError: several known columns could be meant, or the record is marked as bad.
        """
        names = tuple(record)
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plan(names), any(name in record for name in self._judged)
            if len(self._plans) < MOST_PLANS:
                self._plans[names] = plan
        others, judged = plan
        if judged:
            require_desirable(record)
        columns = self._columns
        for candidates in others:
            if (other := self._other(record, candidates)) is not None:
                columns = {**columns, candidates.field: other}
        return columns

    def _plan(self, names: tuple[str, ...]) -> tuple[_Candidates, ...]:
        """Fields that may be found under another name in records with these columns."""
        by_lower = {str(name).lower(): name for name in reversed(names)}
        used = set(self._columns.values())
        plan = []
        for field, known in self._module.FIELDS.items():
            if field in self._given:
                continue
            found = (by_lower[name.lower()] for name in known if name.lower() in by_lower)
            others = tuple(c for c in found if c not in used and (c.lower() != "chosen" or "rejected" in by_lower))
            if others:
                plan.append(_Candidates(field, self._columns.get(field), others))
                used.update(others if field not in self._columns else ())
        return tuple(plan)

    def _other(self, record: Mapping[str, Any], candidates: _Candidates) -> str | None:
        if candidates.column is not None and not is_missing(record.get(candidates.column)):
            return None
        holding = [
            column
            for column in candidates.others
            if not is_missing(record[column]) and self._takes(candidates.field, record[column])
        ]
        if len(holding) > 1:
            raise RowError(
                f"ambiguous columns: {' and '.join(map(repr, holding))} may both be the {candidates.field} of this "
                f"record; name one under 'columns'"
            )
        return holding[0] if holding else None

    def _takes(self, field: str, value: object) -> bool:
        """Whether a value is read as a field; what is part of a prompt is, and refused by its name if need be."""
        if field in self._module.VALUES and field not in ANSWER_FIELDS:
            return True
        return accepts(self._module, field, kind_of(value))


def require_desirable(record: Mapping[str, Any]) -> None:
    """Check that no mark says that the answer of a record is a bad one.

    Raises:
        RowError: ``label: false`` and the like (KTO), or a rank that says so in words.
    """
    for name in VERDICTS:
        value = record.get(name)
        if value is False or (isinstance(value, str) and value.strip().lower() == "false"):
            raise RowError(f"{UNDESIRABLE}: column {name!r} is false")
    for name in WORDS:
        value = record.get(name)
        if isinstance(value, str) and value.strip().lower() in BAD:
            raise RowError(f"{UNDESIRABLE}: column {name!r} says so")


def held_names(extra: Mapping[str, Any]) -> list[str]:
    """The fields of one row that hold something and that nothing was taken from; those of turns as ``turn.x``."""
    names = [
        name for name, value in extra.items() if not is_missing(value) and not (value is True and name in VERDICTS)
    ]
    if "message_fields" in names and isinstance(of_turns := extra["message_fields"], Mapping):
        names.remove("message_fields")
        names += dict.fromkeys(f"turn.{name}" for rest in of_turns.values() for name in rest)
    return names


def add_counts(counts: Counter[str], names: list[str]) -> None:
    """Count names, the first MOST_NAMES different ones by themselves."""
    for name, rows in Counter(names).items():
        counts[name if name in counts or len(counts) < MOST_NAMES else OTHERS] += rows


def known_names(format: str) -> set[str]:
    """Names of columns that a format looks for, in lower case, and names that usually bear on training."""
    names = {name.lower() for known in FORMATS[format].FIELDS.values() for name in known}
    return names | BEARING
