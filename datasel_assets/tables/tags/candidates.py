"""Tables of what each row may be tagged with: phrases of its text, a field of its record, or what a model writes.

Does not belong here: finding phrases and reading tags (``corpus.phrases``, ``corpus.tag_lists``), running the model
(``models.tagger``), which candidates become labels (``vocabulary``).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from datasel_assets.corpus import phrases, tag_lists
from datasel_assets.models.shape import model_shape
from datasel_assets.specs.tagger import TaggerSpec
from datasel_assets.specs.tags import TagsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.tagger import Tagger

TAG_CANDIDATES = Kind("tag_candidates", version="2", per="source")

UNIT_ROWS = 8192
TAGGER_UNIT_ROWS = 512
"""A killed step loses at most this many answers."""

LISTS = pa.schema([("row_id", pa.string()), ("tags", pa.list_(pa.string()))])
UNREADABLE = "rows_without_readable_tags"


def candidate_table(name: str, spec: TagsSpec) -> Table:
    """Return the table of candidates of one file in ``tags/``."""
    code = digest([TAG_CANDIDATES.version, source_of(spec)])
    again = "All are read again when their source changes." if spec.column else "Old rows are never read again."
    return RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, code, spec),
        work=partial(_work, spec),
        compute=ask_tagger if spec.model else read_field if spec.column else find_phrases,
        load=load_tagger if spec.model else None,
        unit_rows=TAGGER_UNIT_ROWS if spec.model else UNIT_ROWS,
        facts=partial(_facts, spec),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=TAG_CANDIDATES,
        key=(TAG_CANDIDATES.name, name),
        description=f"What each row may be tagged with: {said(spec)}. {again}",
        group="clusters_tags",
        reads=[("corpus",)],
        checks={"covers_corpus": "one line for every conversation"},
        runs_model=spec.model is not None,
        kinds=frozenset({"parquet", "pytorch", "huggingface"} if spec.model else {"parquet", "polars"}),
        version=code,
        columns={
            "tags": "Words of the instruction, a gap where a phrase ends." if spec.of_phrases else "Tags as given."
        },
        lineage={"tags": [(("corpus",), column) for column in _reads(spec)]},
    )


def source_of(spec: TagsSpec) -> list[object]:
    """Return what decides the candidates, for fingerprints."""
    if spec.model:
        return ["model", spec.model.identity()]
    return ["column", spec.column] if spec.column else ["phrases", spec.of_phrases and spec.of_phrases.max_chars]


def said(spec: TagsSpec) -> str:
    """Return in words where the tags come from."""
    if spec.model:
        return f"tags written by `{spec.model.model}`"
    return f"the column `{spec.column}` of the records" if spec.column else "key phrases of the instruction"


def _wants(code: str, spec: TagsSpec, warehouse: Warehouse, source: str | None) -> Wanted:
    info = warehouse.lake.info(("corpus", str(source)))
    made = [code]
    if spec.model:
        made.append(model_shape(spec.model.model, spec.model.revision, warehouse.settings.data).digest)
    if spec.column and info:  # the column is no part of a row's id, so it may change under the same id
        made.append(digest(info.inputs))
    return Wanted(digest(made))


def _work(spec: TagsSpec, step: Step) -> Work:
    if spec.column:
        arguments: dict[str, Any] = {"column": spec.column}
    elif spec.model:
        arguments = {"tagger": spec.model.model_dump(mode="json")}
    else:
        assert spec.of_phrases is not None
        arguments = {"max_chars": spec.of_phrases.max_chars}
    return Work(LISTS, _reads(spec), arguments)


def _reads(spec: TagsSpec) -> Sequence[str]:
    return ["extra"] if spec.column else ["prompt", "response"]


def find_phrases(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the words of each instruction, see :func:`datasel_assets.corpus.phrases.words`."""
    return rows.select("row_id", tags=phrases.words(_instructions(rows), context.arguments["max_chars"]))


def read_field(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the tags that stand in a field of each record."""
    return _given(rows, tag_lists.read_field(rows["extra"].to_list(), context.arguments["column"]), context)


def load_tagger(warehouse: Warehouse, tagger: Mapping[str, Any]) -> "Tagger":
    """Load the model that writes tags."""
    from datasel_assets.models.tagger import Tagger

    settings = warehouse.settings
    return Tagger(TaggerSpec.model_validate(tagger), device=settings.device, base=settings.data)


def ask_tagger(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the tags that the model writes about each instruction."""
    texts = _instructions(rows).to_list()
    answers = context.loaded.answers(texts, progress=lambda done, total: context.progress(done))
    return _given(rows, [tag_lists.parse_answer(answer) for answer in answers], context)


def _instructions(rows: pl.DataFrame) -> pl.Series:
    """Return the prompts; a text without one is its own."""
    return rows.select(pl.when(pl.col("prompt") == "").then("response").otherwise("prompt").alias("text"))["text"]


def _given(rows: pl.DataFrame, tags: list[list[str] | None], context: Context) -> pl.DataFrame:
    """Return tags in one spelling, null where there was nothing to read."""
    found = tag_lists.normalise(pl.Series(tags, dtype=pl.List(pl.String)))
    context.note(**{UNREADABLE: found.null_count()})
    return rows.select("row_id", tags=found)


def _facts(spec: TagsSpec, step: Step, update: Update) -> dict[str, Any]:
    unreadable = {} if spec.of_phrases else {UNREADABLE: update.facts.get(UNREADABLE, 0)}
    return {"source_of_tags": said(spec), "corpus": table_link("corpus"), **unreadable}
