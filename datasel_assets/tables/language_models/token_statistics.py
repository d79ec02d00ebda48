"""The table of token statistics: what a causal language model says about the response tokens of every conversation."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from datasel_assets.indicators.token_lists import RECORDS, TURNS, coverage
from datasel_assets.models.token_passes import token_columns
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.language_model import CHOICES, SUBNET, LanguageModelSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lines import arrow_schema
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.trained_models import (
    causal_spec,
    checkpoint_specs,
    checkpoint_versions,
    model_tables,
    model_version,
)
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.causal_lm import CausalLM

TOKEN_STATISTICS = Kind("tokens", version="2", per="source")

UNIT_ROWS = 2048
"""A killed step loses at most this many rows of work; large enough that length-sorted batches stay full."""


def token_statistics(name: str, spec: LanguageModelSpec) -> Table:
    """Return the table of token statistics of one file in ``language_models/``."""
    return RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, name, spec),
        work=partial(_work, name, spec),
        compute=read_tokens,
        load=load_model,
        unit_rows=UNIT_ROWS,
        facts=partial(_facts, spec),
        verify=_verify,
    ).table(
        kind=TOKEN_STATISTICS,
        key=(TOKEN_STATISTICS.name, name),
        description=(
            f"One teacher-forced pass of `{spec.causal.model}` per context over every conversation: sums of "
            "log-probability, entropy, confidence, margin, EL2N and hits over the response tokens of each turn. A "
            "context that is added reads the pool by itself; the others stay."
        ),
        group="models",
        reads=[("corpus",), *model_tables(name, spec)],
        checks={"covers_corpus": "one line of statistics for every conversation"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        version=columns_fingerprint(_versions(spec, "", [""] * spec.n_checkpoints)),
        columns={column: text for column, (_, text) in RECORDS.items()} if spec.records else {},
    )


def load_model(warehouse: Warehouse, causal: Mapping[str, Any], version: str, passes: Mapping[str, Any]) -> "CausalLM":
    """Load a model; ``version`` only says which it was, where a new training took its name."""
    from datasel_assets.models.causal_lm import CausalLM

    settings = warehouse.settings
    return CausalLM(CausalSpec.model_validate(causal), device=settings.device, base=settings.data)


def read_tokens(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the token statistics of conversations under the contexts that are asked for."""
    conversations, passes = rows["messages"].to_list(), context.arguments["passes"]
    found, refused = token_columns(context.loaded, conversations, context.columns, **passes)
    context.note(fallbacks=refused, dtype=context.loaded.dtype)
    return pl.DataFrame({"row_id": rows["row_id"], **found})


def _wants(name: str, spec: LanguageModelSpec, warehouse: Warehouse, source: str | None) -> Wanted:
    versions = _versions(
        spec, model_version(warehouse, name, spec), checkpoint_versions(warehouse, spec, spec.n_checkpoints)
    )
    return Wanted(columns_fingerprint(versions), versions=versions)


def _work(name: str, spec: LanguageModelSpec, step: Step) -> Work:
    warehouse = step.warehouse
    versions = _wants(name, spec, warehouse, step.source).versions
    assert versions is not None, "the columns have versions of their own"
    passes = {
        "copies": spec.copies,
        "subnet_rates": list(spec.subnet_rates),
        "choice_orders": spec.choice_orders,
    }

    def arguments(causal: CausalSpec, version: str) -> dict[str, Any]:
        return {"causal": causal.model_dump(mode="json"), "version": version, "passes": passes}

    return Work(
        arrow_schema({"row_id": pl.String, **dict(sorted(_types(spec).items()))}),
        ["messages"],
        arguments(causal_spec(warehouse, name, spec), model_version(warehouse, name, spec)),
        apart={
            column: arguments(checkpoint, versions[column])
            for column, checkpoint in zip(
                spec.checkpoint_passes, checkpoint_specs(warehouse, name, spec, spec.n_checkpoints), strict=True
            )
        },
    )


def _facts(spec: LanguageModelSpec, step: Step, update: Update) -> dict[str, Any]:
    return {
        "model": spec.causal.model,
        "contexts": ", ".join(spec.passes),
        "fallbacks": update.facts.get("fallbacks", 0),
        **coverage(step.warehouse.lake.scan(step.expected.key), spec.passes),
        "corpus": table_link("corpus"),
    }


def _verify(step: Step, update: Update) -> dict[str, Check]:
    rows = step.warehouse.lake.require(("corpus", str(step.source))).rows
    return {"covers_corpus": Check(update.info.rows == rows, {"rows": rows})}


def _types(spec: LanguageModelSpec) -> dict[str, pl.DataType]:
    """Return the types of the columns."""
    types: dict[str, pl.DataType] = dict.fromkeys(spec.passes, TURNS)
    return types | ({column: pl.List(dtype) for column, (dtype, _) in RECORDS.items()} if spec.records else {})


def _versions(spec: LanguageModelSpec, model: str, checkpoints: Sequence[str]) -> dict[str, str]:
    """Return what each column depends on, so that a new one does not compute the others again."""
    common = [TOKEN_STATISTICS.version, spec.causal.model_dump(), model]
    extra: dict[str, Any] = {f"{SUBNET}_{k}": rate for k, rate in enumerate(spec.subnet_rates)}
    extra |= dict(zip(spec.checkpoint_passes, checkpoints, strict=True))
    extra[CHOICES] = spec.choice_orders
    return {column: digest([*common, column, extra.get(column)]) for column in _types(spec)}
