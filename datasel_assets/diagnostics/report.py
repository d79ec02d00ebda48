"""The page that comes with a release. Belongs here: laying out given facts as one self-contained HTML file.

No script, no request to anywhere, nothing from data that is not escaped; a content security policy in the page holds
a browser to that. Nothing is computed here.
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
  --card: #f6f8fa; --blue: #0067a3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --muted: #9aa6b2; --line: #343c45; --paper: #14181d;
  --card: #1d232a; --blue: #6cb8ee; } }
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
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 1rem;
  align-items: start; }
figure { margin: 0; background: #ffffff; border: 1px solid var(--line); border-radius: 8px; padding: .6rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: #5f6b78; font-size: .82rem; padding: .4rem .2rem 0; }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; }
"""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html_report(
    *,
    title: str,
    summary: str,
    recipe: str,
    facts: Mapping[str, Any],
    stages: pl.DataFrame,
    pictures: Sequence[tuple[bytes, str]] = (),
    kept: pl.DataFrame | None = None,
    dropped: pl.DataFrame | None = None,
    comparison: pl.DataFrame | None = None,
    highlight: str = "",
    footer: str = "",
) -> str:
    """Return the report of a release as one HTML page that needs nothing else.

    Every input may hold hostile text: it is cut to 400 characters per cell, stripped of characters that act (control,
    bidirectional) and escaped. The page holds no clock, so the same inputs give the same bytes.

    Args:
        title: name of the release.
        summary: what was selected and why, in a sentence or two.
        recipe: the recipe as it was written (YAML), shown as it stands.
        facts: label -> number or short text: budget, rows, tokens, hashes.
        stages: decisions counted, for example the columns stage, reason, rows; shown in the given order.
        pictures: (PNG bytes, caption).
        kept: a sample of kept rows with the columns worth showing.
        dropped: a sample of dropped rows with the reason.
        comparison: one row per recipe, from ``comparison.compare``.
        highlight: first cell of the row of ``comparison`` that is this release.
        footer: versions, or where to read more.
    """
    parts = [
        "<!doctype html>\n",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title>",
        f"<style>{_STYLE}</style></head><body>",
        f'<h1>{_text(title)}</h1><p class="lead">{_text(summary, 2000)}</p>',
        "<dl>",
        *(f"<div><dt>{_text(name)}</dt><dd>{_value(value)}</dd></div>" for name, value in facts.items()),
        "</dl>",
        *_section("What happened to the rows", "", stages),
    ]
    if pictures:
        parts += ['<h2>Pictures</h2><div class="pictures">', *(_picture(*each) for each in pictures), "</div>"]
    parts += _section("Recipes side by side", "", comparison, highlight)
    parts += _section("Rows kept", "a sample", kept)
    parts += _section("Rows dropped", "a sample, with the reason", dropped)
    parts += [f"<h2>Recipe</h2><pre>{_block(recipe, 20_000, 1000)}</pre>"]
    parts += [f"<footer>{_text(footer, 1000)}</footer>" if footer else "", "</body></html>\n"]
    return "".join(parts)


def _section(heading: str, note: str, frame: pl.DataFrame | None, highlight: str = "") -> list[str]:
    if frame is None or not frame.width:
        return []
    noted = f'<p class="note">{_text(note)}</p>' if note else ""
    return [f"<h2>{_text(heading)}</h2>{noted}", _table(frame, highlight)]


def _table(frame: pl.DataFrame, highlight: str) -> str:
    numeric = [kind.is_numeric() for kind in frame.dtypes]
    head = "".join(
        f"<th{_class(number, name)}>{_text(name.replace('_', ' '))}</th>"
        for name, number in zip(frame.columns, numeric, strict=True)
    )
    body = []
    for row in frame.iter_rows():
        this = ' class="this"' if highlight and str(row[0]) == highlight else ""
        cells = (f"<td{_class(number, value)}>{_value(value)}</td>" for number, value in zip(numeric, row, strict=True))
        body.append(f"<tr{this}>{''.join(cells)}</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _class(number: bool, value: Any) -> str:
    if number:
        return ' class="number"'
    return ' class="long"' if isinstance(value, str) and (len(value) > 30 or "\n" in value) else ""


def _picture(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    words = _text(caption)
    return f'<figure><img alt="{words}" src="data:image/png;base64,{data}"><figcaption>{words}</figcaption></figure>'


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return _block(str(value), _CELL, _LINES)


def _text(text: object, limit: int = _CELL) -> str:
    return escape(clean(text, limit))


def _block(text: str, limit: int, lines: int) -> str:
    """Return text that keeps its line breaks and indentation, cut after ``limit`` characters or ``lines`` lines."""
    head = text[: limit + 1]
    shown = []
    for line in head.splitlines()[:lines]:
        indent = len(line) - len(line.lstrip())
        shown.append(" " * min(indent, 40) + clean(line, limit + 2) if line.strip() else "")
    cut = len(text) > limit or len(head.splitlines()) > lines
    return escape("\n".join(shown)[:limit] + (" …" if cut else ""))
