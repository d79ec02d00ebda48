"""Arrow arrays as the Python values of a record, whatever their type.

Belongs here: which Python value an Arrow value becomes, so that no type and no odd value costs more than its row. Not
here: batches and limits (``parquet_rows``), what a field of a record means.

=====================  ================================================================================================
Arrow                  Python
=====================  ================================================================================================
text, JSON             text
binary                 text where the bytes are UTF-8 (old Spark and ClickHouse do not mark text), else the bytes
decimal                text with all its digits
duration               text, ``<days> days, h:mm:ss.fraction``
timestamp, time        ``datetime``, ``time``; text where Python cannot hold it (nanoseconds, years above 9999)
UUID                   text
map                    a dictionary where its keys are texts without repetition, else a list of pairs
other extension types  what they are stored as
=====================  ================================================================================================
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a value that cannot be read; ``reason`` is ``<category>: <detail>``."""

    reason: str


def values(array: pa.Array) -> list[Any]:
    """Return the values of an array; one that cannot be read is an :class:`Unreadable`."""
    if _converts_itself(array.type):
        try:
            return array.to_pylist()
        except (ValueError, OverflowError, LookupError):  # one value; which one shows below
            pass
    return [_safely(scalar) for scalar in array]


def _converts_itself(kind: pa.DataType) -> bool:
    """Whether Arrow's own conversion gives what this module promises, for all but odd values."""
    if pt.is_dictionary(kind):
        return _converts_itself(kind.value_type)
    if pt.is_struct(kind):
        names = [field.name for field in kind]
        return len(set(names)) == len(names) and all(_converts_itself(field.type) for field in kind)
    if _is_list(kind):
        return _converts_itself(kind.value_type)
    if pt.is_timestamp(kind) or pt.is_time(kind):
        return kind.unit != "ns"
    simple = (pt.is_boolean, pt.is_integer, pt.is_floating, pt.is_null, pt.is_date, _is_text)
    return any(test(kind) for test in simple)


def _is_text(kind: pa.DataType) -> bool:
    return pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)


def _is_binary(kind: pa.DataType) -> bool:
    tests = (pt.is_binary, pt.is_large_binary, pt.is_binary_view, pt.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def _is_list(kind: pa.DataType) -> bool:
    tests = (pt.is_list, pt.is_large_list, pt.is_fixed_size_list, pt.is_list_view, pt.is_large_list_view)
    return any(test(kind) for test in tests)


def _safely(scalar: pa.Scalar) -> Any:
    try:
        return _value(scalar)
    except UnicodeDecodeError:
        return Unreadable("invalid UTF-8: a text column holds bytes that are not UTF-8")
    except Exception as error:  # whatever Arrow cannot convert costs its row and not the file
        return Unreadable(f"unreadable value: {scalar.type} cannot be converted ({type(error).__name__}: {error})")


def _value(scalar: Any) -> Any:
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return str(scalar.as_py())
        return scalar.as_py() if kind.extension_name == "arrow.bool8" else _value(scalar.value)
    if pt.is_dictionary(kind):
        return _value(scalar.value)
    if pt.is_struct(kind):
        return _record([(name, _value(item)) for name, item in scalar.items()])
    if pt.is_map(kind):
        entries = scalar.values
        keys, items = (list(map(_value, entries.field(i))) for i in (0, 1))
        if all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys):
            return dict(zip(keys, items, strict=True))
        return [list(pair) for pair in zip(keys, items, strict=True)]
    if _is_list(kind):
        return list(map(_value, scalar.values))
    if _is_binary(kind):
        return _decoded(scalar.as_py())
    if pt.is_decimal(kind):
        return format(scalar.as_py(), "f")
    if pt.is_duration(kind):
        return _duration(scalar.value, kind.unit)
    if pt.is_temporal(kind):
        return _moment(scalar)
    return scalar.as_py()


def _record(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(fields)
    if len(record) != len(fields):
        raise ValueError("two fields have the same name")
    return record


def _decoded(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _moment(scalar: Any) -> Any:
    """A date or time as Python holds it, or as text where it would lose digits or is out of range."""
    kind = scalar.type
    if getattr(kind, "unit", None) != "ns":
        try:
            return scalar.as_py()
        except (ValueError, OverflowError, LookupError):  # the last for a time zone that nobody knows
            pass
    try:
        text = scalar.cast(pa.string()).as_py()
    except pa.ArrowInvalid:
        text = scalar.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.string()).as_py()
    if "out of range" in text:
        return f"{scalar.value} {kind.unit} since 1970-01-01"
    if pt.is_timestamp(kind) and kind.tz is not None:
        return f"{text[:-1]}+00:00" if text.endswith("Z") else f"{text[:-2]}:{text[-2:]}"
    return text


def _duration(count: int, unit: str) -> str:
    """Text of a duration in the manner of ``timedelta``, with as many digits as the unit has.

    >>> _duration(90_061_000_000_001, "ns")
    '1 day, 1:01:01.000000001'
    >>> _duration(-1, "s")
    '-1 day, 23:59:59'
    """
    seconds, fraction = divmod(count * NANOSECONDS[unit], 10**9)
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if fraction:
        clock += f".{fraction:09}"[: {"ms": 4, "us": 7}.get(unit, 10)]
    return f"{days} day{'' if abs(days) == 1 else 's'}, {clock}" if days else clock
