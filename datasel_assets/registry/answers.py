"""The scores that files of ``answers/`` make, by the name that recipes use: ``<file>.<column>``.

Belongs here: columns with their keep signs. Does not: what is asked (``specs.ask``), what is wrong with a file
(``rules``), the table (``tables.answers``).
"""

from datasel_assets.answers.asks import UnknownAskError, ask_of
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.ask import ColumnSpec

DISTILLED = "distilled_"
"""What the name of a column begins with that a linear model fills for all rows."""


def answer_columns(spec: AnswersSpec) -> dict[str, ColumnSpec]:
    """Return the columns of a file, those of its linear model too; none where its prompt is unknown."""
    if spec.adjudicates:
        return {}
    try:
        scores = ask_of(spec.ask).scores
    except UnknownAskError:
        return {}
    own = dict(scores)
    if spec.distil:
        own |= {f"{DISTILLED}{name}": column for name, column in scores.items()}
    return own
