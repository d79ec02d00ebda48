"""Write docs/indicators.md from the docstrings of the indicators: ``python docs/indicators.py``.

A test fails when the page is not what this writes.
"""

import inspect
from dataclasses import replace
from pathlib import Path

from datasel_assets.indicators import FAMILIES, Indicator
from datasel_assets.indicators.blend import KIND as BLEND
from datasel_assets.indicators.dynamics import DYNAMICS
from datasel_assets.indicators.given import KIND as GIVEN
from datasel_assets.indicators.score_kinds import KINDS
from datasel_assets.indicators.tags import FAMILY as TAGS
from datasel_assets.indicators.tags import tag_indicators
from datasel_assets.indicators.tokens import TOKENS
from datasel_assets.specs.loop import FAMILY as LOOPS

PAGE = Path(__file__).with_name("indicators.md")
LANGUAGE_MODEL = "<name of a file in language_models/>"
TRAINING = "<name of a file in dynamics/>"
SCORE = "<name of a file in scores/>"
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

A file in `language_models/` or `dynamics/` is a family; a file in `tags/` or `scores/` is a column: how to write one of
the latter stands in [declared_scores.md](declared_scores.md).
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    made = {name: kind.indicator for name, kind in KINDS.items() if kind.indicator}
    declared = {family: {SCORE: replace(found, name=SCORE)} for family, found in made.items()}
    tags = tag_indicators(["<name of a file in tags/>"])
    for family, indicators in {**FAMILIES, LANGUAGE_MODEL: TOKENS, TRAINING: DYNAMICS, TAGS: tags, **declared}.items():
        parts.append(f"\n## Family `{family}`\n")
        parts.append("| column | keep | range | what |\n|---|---|---|---|")
        parts += [_line(indicator) for indicator in indicators.values()]
        parts += [_section(indicator) for indicator in indicators.values()]
    parts += [_blends(), _given(), _loops()]
    return "\n".join(parts).rstrip() + "\n"


def _line(indicator: Indicator) -> str:
    columns = ", ".join(f"`{column}`" for column in indicator.columns)
    return f"| {columns} | {indicator.keep} | {_range(indicator)} | {indicator.summary.replace('|', chr(92) + '|')} |"


def _section(indicator: Indicator) -> str:
    body = indicator.doc.partition("\n")[2].strip()
    body = body.split("\nArgs:")[0].split("\nReturns:")[0].strip()
    facts = f"Keep {indicator.keep}; range {_range(indicator)}; several turns: {indicator.aggregate}."
    title = f"`{indicator.name}`" if "<" in indicator.name else indicator.name
    return f"\n### {title}\n\n{indicator.summary}\n\n{body}\n\n{facts} Source: {indicator.source}.".replace(
        "\n\n\n\n", "\n\n"
    )


def _blends() -> str:
    """Return the family whose columns have the indicators that their files name, and the file's source."""
    doc = inspect.getdoc(BLEND.spec) or ""
    how = " ".join(doc.partition("    how: ")[2].partition("\n    inputs:")[0].split())
    return (
        f"\n## Family `{BLEND.name}`\n\n### `{SCORE}`\n\n{doc.partition(chr(10))[0]}\n\nBy its `how`: {how}\n\n"
        "Keep high, whatever is kept of the inputs; ranges hold for weights above 0. Source: `paper` of the file."
    )


def _given() -> str:
    """Return the family whose columns somebody else has made."""
    doc = (inspect.getdoc(GIVEN.spec) or "").partition("\n")[0]
    return (
        f"\n## Family `{GIVEN.name}`\n\n### `{SCORE}`\n\n{doc}\n\nKeep and range as the file says; several turns: as "
        "its `turns` says. Source: `paper` of the file."
    )


def _loops() -> str:
    """Return the family whose columns selections in rounds have made."""
    return (
        f"\n## Family `{LOOPS}`\n\n### `<name of a file in loops/>`\n\nWhat a selection in rounds says of a row "
        "that it accepted; NaN for the others.\n\nKeep high; several turns: whole. Source: `paper` of the file."
    )


def _range(indicator: Indicator) -> str:
    low, high = (("-inf", "inf")[i] if bound is None else f"{bound:g}" for i, bound in enumerate(indicator.bounds))
    return f"{low} to {high}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
