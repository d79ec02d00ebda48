"""Write docs/indicators.md from the docstrings of the indicators: ``python docs/indicators.py``.

A test fails when the page is not what this writes.
"""

from pathlib import Path

from datasel_assets.indicators import FAMILIES, Indicator
from datasel_assets.indicators.tokens import TOKENS

PAGE = Path(__file__).with_name("indicators.md")
LANGUAGE_MODEL = "<name of a file in language_models/>"
HEAD = """# Indicators

Written by `python docs/indicators.py` from the docstrings; do not edit by hand.

An indicator is one column of a score table, used in recipes as `<family>.<column>`. *Keep* says which values the
literature keeps: it decides what `keep: auto` means. A missing value (NaN) is not defined for that row; such rows are
never chosen by that score.

A conversation with several turns on a side still has one value per column: *several turns* says how it is made, `whole`
over the joined turns, else from the values of the single turns. Those stand beside it, in the table
`turn_scores/<family>/<source>` of the families `text` and `frequency` (in DuckDB `turn_scores_text`,
`turn_scores_frequency`): one line for each turn of a side that has more than one, with `row_id`, `part` (prompt: user,
response: assistant), `turn` (from 0 within the side) and a column per indicator that has sides.
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for family, indicators in {**FAMILIES, LANGUAGE_MODEL: TOKENS}.items():
        parts.append(f"\n## Family `{family}`\n")
        parts.append("| column | keep | range | what |\n|---|---|---|---|")
        parts += [_line(indicator) for indicator in indicators.values()]
        parts += [_section(indicator) for indicator in indicators.values()]
    return "\n".join(parts).rstrip() + "\n"


def _line(indicator: Indicator) -> str:
    columns = ", ".join(f"`{column}`" for column in indicator.columns)
    return f"| {columns} | {indicator.keep} | {_range(indicator)} | {indicator.summary.replace('|', chr(92) + '|')} |"


def _section(indicator: Indicator) -> str:
    body = indicator.doc.partition("\n")[2].strip()
    body = body.split("\nArgs:")[0].split("\nReturns:")[0].strip()
    facts = f"Keep {indicator.keep}; range {_range(indicator)}; several turns: {indicator.aggregate}."
    return f"\n### {indicator.name}\n\n{indicator.summary}\n\n{body}\n\n{facts} Source: {indicator.source}.".replace(
        "\n\n\n\n", "\n\n"
    )


def _range(indicator: Indicator) -> str:
    low, high = (("-inf", "inf")[i] if bound is None else f"{bound:g}" for i, bound in enumerate(indicator.bounds))
    return f"{low} to {high}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
