"""What the tables say about one row, as pairs of a label and a text. Not here: finding it, printing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from datasel_assets.diagnostics.text import clean
from datasel_assets.tables.exploring import about_row

if TYPE_CHECKING:
    from datasel_assets.specs.recipe import RecipeSpec
    from datasel_assets.tables.warehouse import Warehouse

Fact = tuple[str, str]

EXCERPT_CHARS = 300
NEAREST = 5


def text_facts(row: Mapping[str, Any]) -> Iterator[Fact]:
    """Give the excerpts and the size of a row of ``row_search.COLUMNS``."""
    yield "prompt", clean(row["prompt"], EXCERPT_CHARS)
    yield "response", clean(row["response"], EXCERPT_CHARS)
    yield "size", f"{row['n_tokens']:,} tokens, {row['n_response_tokens']:,} in responses; {row['n_turns']} turns"


def copy_facts(warehouse: "Warehouse", row_id: str) -> Iterator[Fact]:
    """Say which row stands for this one, and for how many others it stands, by each kind of duplicate."""
    stands = Counter()
    for copy in about_row.copies(warehouse, row_id):
        if copy["stands"]:
            stands[copy["kind"]] += 1
        else:
            yield "duplicates", f"{copy['kind']} of {copy['other']}"
    for kind, others in stands.items():
        yield "duplicates", f"{others:,} {kind}{'s' if others > 1 else ''} of it"


def evaluation_facts(warehouse: "Warehouse", source: str, row_id: str) -> Iterator[Fact]:
    """Say which items of evaluations the row holds or may reword, the strongest evidence first."""
    for hit in about_row.evaluations(warehouse, source, row_id):
        shown = clean(hit["evidence"] or "", EXCERPT_CHARS)
        near = f"item {hit['item']} of {hit['evaluation']} ({hit['tier']}, overlap {hit['overlap']:.3g})"
        yield "evaluations", f"{near}: {shown}" if shown else near


def neighbour_facts(warehouse: "Warehouse", row_id: str) -> Iterator[Fact]:
    """Name the nearest rows."""
    for near in about_row.neighbours(warehouse, row_id)[:NEAREST]:
        yield "neighbours", f"{near['row_id']}, distance {near['distance']:.4g}"


def answer_facts(warehouse: "Warehouse", source: str, row_id: str) -> Iterator[Fact]:
    """Say what models and people answered about the row."""
    for file, answer in about_row.answers(warehouse, source, row_id):
        told = ", ".join(f"{name} {_figure(value)}" for name, value in answer.items())
        yield "answers", f"{file}: {clean(told, EXCERPT_CHARS)}"


def turn_facts(warehouse: "Warehouse", source: str, row_id: str) -> Iterator[Fact]:
    """Give every turn of the conversation."""
    for turn in about_row.conversation(warehouse, source, row_id)["turns"]:
        yield turn["role"], turn["content"]


def decision_facts(decision: Mapping[str, Any]) -> Iterator[Fact]:
    """Give what a line of ``recipes.ledger.DECISIONS_SCHEMA`` says, without what is null, and what flips it."""
    yield "reason", decision["reason"]
    for name in ("rank", "score", "margin", "duplicate_of", "cluster", "selected_for"):
        if decision[name] is not None:
            yield name.replace("_", " "), _figure(decision[name])
    if decision["flip"]:
        yield "would flip it", decision["flip"]


def score_facts(warehouse: "Warehouse", spec: "RecipeSpec", row_id: str) -> Iterator[Fact]:
    """Give the columns that the rules and samplers of a recipe read of the row, as the tables stand."""
    import polars as pl

    from datasel_assets.recipes.inputs import category_column
    from datasel_assets.storage.lake import MissingTableError, StaleTableError
    from datasel_assets.tables.graph import GRAPH
    from datasel_assets.tables.selections.recipe_inputs import candidate_pool

    needs = spec.requires()
    read = {name for rule in spec.drop for name in rule.scores} | {stage.score for stage in spec.stages} | needs.scores
    read |= {category_column(name) for name in needs.categories}
    named = {name for name in read if name}
    if not named:
        return
    try:
        pool = candidate_pool(warehouse, spec, GRAPH)
    except (MissingTableError, StaleTableError, pl.exceptions.ColumnNotFoundError) as error:
        yield "reads", f"what it reads cannot be shown: {error}"
        return
    row = pool.filter(pl.col("row_id") == row_id).row(0, named=True)
    for name in sorted(named & row.keys()):
        yield "reads", f"{name} {'unknown' if row[name] is None else _figure(row[name])}"


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
