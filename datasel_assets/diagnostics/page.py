"""What the HTML pages share. Belongs here: loading their templates, making values fit to be shown.

Markup stands in ``templates``: ``page.html.j2`` frames every page, ``parts.html.j2`` holds what pages are made of,
``tables.js`` makes tables sortable where a page includes it. A page has a template and a module of its own.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache, partial
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from datasel_assets.diagnostics.text import clean

if TYPE_CHECKING:
    from jinja2 import Environment

_CELL = 400
_LINES = 14


class Table(NamedTuple):
    """A frame ready for the macro ``table``.

    Attributes:
        head: (class, title) of each column.
        rows: (whether it stands out, its cells as (class, value)) of each row.
    """

    head: Sequence[tuple[str, str]]
    rows: Sequence[tuple[bool, Sequence[tuple[str, Any]]]]


def render(template: str, **values: object) -> str:
    """Return a whole page that needs nothing else; every value may hold hostile text.

    The page holds no clock, so the same inputs give the same bytes.

    Raises:
        jinja2.UndefinedError: the template shows a value that is not given.
    """
    return templates().get_template(template).render(values)


@cache
def templates() -> "Environment":
    """Return the templates of all pages: whatever they show is escaped, and a value that is not given is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("datasel_assets.diagnostics"),
        autoescape=True,
        finalize=_escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "shown": partial(clean, limit=_CELL),
        "value": _value,
        "block": _block,
        "base64": lambda png: base64.b64encode(png).decode(),
    }
    environment.globals["script_source"] = script_source
    return environment


def script_source(name: str) -> str:
    """Return what a content security policy calls a script of ours: the hash of its text. No other script runs."""
    text = templates().get_template(name).render()
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def table(
    frame: pl.DataFrame | None,
    highlight: str = "",
    *,
    titles: Mapping[str, str] | None = None,
    marks: Mapping[tuple[int, str], str] | None = None,
) -> Table:
    """Return a frame made ready to be shown.

    Args:
        frame: any columns; None: a table without columns, which a section leaves out.
        highlight: first cell of the row that stands out.
        titles: column -> heading; default: its name.
        marks: (row, column) -> class of the cell: ``ahead`` or ``behind``.
    """
    if frame is None:
        return Table((), ())
    titles = {name: name.replace("_", " ") for name in frame.columns} | dict(titles or {})
    marks = marks or {}
    columns = [(name, kind.is_numeric()) for name, kind in frame.schema.items()]
    return Table(
        [(_class(number, name), titles[name]) for name, number in columns],
        [
            (
                bool(highlight) and str(row[0]) == highlight,
                [
                    (_class(number, value, marks.get((index, name), "")), value)
                    for (name, number), value in zip(columns, row, strict=True)
                ],
            )
            for index, row in enumerate(frame.iter_rows())
        ],
    )


def _class(number: bool, value: Any, mark: str = "") -> str:
    long = not number and isinstance(value, str) and (len(value) > 30 or "\n" in value)
    return " ".join(name for name in ("number" if number else "long" if long else "", mark) if name)


def _escaped(value: Any) -> Any:
    """Return what a template shows with the entities of ``html.escape``.

    Those that the templates would write themselves (``&#39;``, ``&#34;``) mean the same but are other bytes, and
    releases are compared byte for byte.
    """
    from markupsafe import Markup

    return value if hasattr(value, "__html__") else Markup(escape(str(value)))


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value != value:
            return "–"
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return _block(str(value), _CELL, _LINES)


def _block(text: str, limit: int, lines: int) -> str:
    """Return text that keeps its line breaks and indentation, cut after ``limit`` characters or ``lines`` lines."""
    head = text[: limit + 1]
    kept = []
    for line in head.splitlines()[:lines]:
        indent = len(line) - len(line.lstrip())
        kept.append(" " * min(indent, 40) + clean(line, limit + 2) if line.strip() else "")
    cut = len(text) > limit or len(head.splitlines()) > lines
    return "\n".join(kept)[:limit] + (" …" if cut else "")
