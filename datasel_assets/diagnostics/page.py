"""What the HTML pages share: style, policy, tables, pictures. Belongs here: laying out; a page has its own file.

No script, no request to anywhere, nothing from data that is not escaped; a content security policy in the page holds
a browser to that.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from datasel_assets.diagnostics.text import clean

_CELL = 400
_LINES = 14

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --muted: #5f6b78; --line: #e1e5ea; --paper: #ffffff;
  --card: #f6f8fa; --blue: #0067a3; --orange: #a84a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --muted: #9aa6b2; --line: #343c45; --paper: #14181d;
  --card: #1d232a; --blue: #6cb8ee; --orange: #f0965a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 64rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .7rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
p.lead { font-size: 1.05rem; color: var(--muted); margin: 0 0 1.6rem; max-width: 46rem; }
p.note { color: var(--muted); font-size: .9rem; margin: .3rem 0 .8rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .8rem; margin: 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
dt { font-size: .8rem; color: var(--muted); }
dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1rem; overflow-x: auto;
  font: .85rem/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th { text-align: left; font-weight: 600; color: var(--muted); background: var(--card); line-height: 1.3; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; unicode-bidi: isolate; }
th { vertical-align: bottom; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); }
th:first-child { background: var(--card); }
tr:last-child td { border-bottom: 0; }
td { white-space: nowrap; }
td.long { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 14rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.this td { font-weight: 600; color: var(--blue); }
td.behind { color: var(--orange); }
td.ahead { font-weight: 600; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 1rem;
  align-items: start; }
.pictures.wide-only { grid-template-columns: 1fr; }
figure { margin: 0; background: #ffffff; border: 1px solid var(--line); border-radius: 8px; padding: .6rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: #5f6b78; font-size: .82rem; padding: .4rem .2rem 0; }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; }
"""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html_page(title: str, summary: str, parts: Sequence[str], footer: str = "") -> str:
    """Return a whole page: head, title, lead and ``parts``, which are markup and not escaped again.

    The page holds no clock, so the same inputs give the same bytes.
    """
    return "".join(
        (
            "<!doctype html>\n",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{shown(title)}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f'<h1>{shown(title)}</h1><p class="lead">{shown(summary, 2000)}</p>',
            *parts,
            f"<footer>{shown(footer, 1000)}</footer>" if footer else "",
            "</body></html>\n",
        )
    )


def fact_list(facts: Mapping[str, Any]) -> str:
    """Return label and value pairs as cards."""
    cards = (f"<div><dt>{shown(name)}</dt><dd>{_value(value)}</dd></div>" for name, value in facts.items())
    return f"<dl>{''.join(cards)}</dl>"


def heading(text: str) -> str:
    """Return the heading of a section."""
    return f"<h2>{shown(text)}</h2>"


def note(text: str) -> str:
    """Return a muted paragraph."""
    return f'<p class="note">{shown(text, 1000)}</p>'


def preformatted(text: str) -> str:
    """Return text that keeps its lines: a recipe as it was written."""
    return f"<pre>{_block(text, 20_000, 1000)}</pre>"


def gallery(pictures: Sequence[tuple[bytes, str]], *, wide: bool = False) -> str:
    """Return PNG pictures with their captions, inline; side by side, or each as wide as the page."""
    kind = "pictures wide-only" if wide else "pictures"
    return f'<div class="{kind}">{"".join(_picture(*each) for each in pictures)}</div>'


def section(title: str, remark: str, frame: pl.DataFrame | None, highlight: str = "") -> list[str]:
    """Return a headed table, or nothing where there is no frame."""
    if frame is None or not frame.width:
        return []
    return [heading(title), note(remark) if remark else "", table(frame, highlight)]


def table(
    frame: pl.DataFrame,
    highlight: str = "",
    *,
    titles: Mapping[str, str] | None = None,
    marks: Mapping[tuple[int, str], str] | None = None,
) -> str:
    """Return a frame as a table that scrolls by itself where it is wide.

    Args:
        frame: any columns; text is cut to 400 characters per cell and escaped.
        highlight: first cell of the row that stands out.
        titles: column -> heading; default: its name.
        marks: (row, column) -> class of the cell: ``ahead`` or ``behind``.
    """
    titles, marks = titles or {}, marks or {}
    numeric = [kind.is_numeric() for kind in frame.dtypes]
    head = "".join(
        f"<th{_class(number, name)}>{shown(titles.get(name, name.replace('_', ' ')))}</th>"
        for name, number in zip(frame.columns, numeric, strict=True)
    )
    body = []
    for index, row in enumerate(frame.iter_rows()):
        this = ' class="this"' if highlight and str(row[0]) == highlight else ""
        cells = (
            f"<td{_class(number, value, marks.get((index, name), ''))}>{_value(value)}</td>"
            for name, number, value in zip(frame.columns, numeric, row, strict=True)
        )
        body.append(f"<tr{this}>{''.join(cells)}</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def shown(text: object, limit: int = _CELL) -> str:
    """Return text on one line, cut, without characters that act, escaped."""
    return escape(clean(text, limit))


def _class(number: bool, value: Any, mark: str = "") -> str:
    long = not number and isinstance(value, str) and (len(value) > 30 or "\n" in value)
    names = " ".join(name for name in ("number" if number else "long" if long else "", mark) if name)
    return f' class="{names}"' if names else ""


def _picture(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    words = shown(caption)
    return f'<figure><img alt="{words}" src="data:image/png;base64,{data}"><figcaption>{words}</figcaption></figure>'


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
    return escape("\n".join(kept)[:limit] + (" …" if cut else ""))
