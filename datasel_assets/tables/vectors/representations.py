"""Tables that compress embeddings: moments per source, one basis, vectors per source, and how faithful they are."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets import representations as maths
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.specs.compress import CompressSpec
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.vectors import vector_array, vector_block, vector_type, vectors_of
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context, WholeTableError
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.curvature import CURVATURE
from datasel_assets.tables.vectors.embeddings import EncoderLayers
from datasel_assets.tables.vectors.given import UNMATCHED, GivenLayers
from datasel_assets.tables.vectors.gradients import GradientLayers
from datasel_assets.tables.warehouse import Warehouse

MOMENTS = Kind("representation_moments", per="source")
BASIS = Kind("representation_basis")
REPRESENTATIONS = Kind("representations", per="source")
FIDELITY = Kind("fidelity")

Layers = EncoderLayers | GivenLayers | GradientLayers

BLOCK_ROWS = 4096
FIDELITY_ROWS = 4000
_AGREEMENT = "agreement with the uncompressed layers; a low figure is the aim of whitening, not its fault"
_TOO_FEW = "there are too few rows to compare neighbourhoods: {} rows have a direction, add rows to the pool"
UNIT_NORM = 5e-3
"""How far the length of a stored vector may be from 1: rounding to float16."""


def representation_tables(name: str, spec: RepresentationSpec) -> list[Table]:
    """Return the tables of one registry file, upstream first."""
    tables = [_basis(name, spec), _vectors(name, spec), _fidelity(name, spec)]
    if maths.needs_fit(spec.compress):
        tables.insert(0, _moments(name, spec))
    return tables


def basis_fingerprint(spec: RepresentationSpec) -> str:
    """Return the fingerprint of everything between the stored embeddings and the basis."""
    compress = spec.compress.model_dump(mode="json")
    return digest([REPRESENTATIONS.version, *layers_of(spec).identity(), compress])


def layers_of(spec: RepresentationSpec) -> Layers:
    """Return where the layers of a representation come from."""
    if spec.gradients:
        return GradientLayers(spec.gradients)
    return GivenLayers(spec.brought) if spec.brought else EncoderLayers(spec.encoder)


def layer_blocks(
    warehouse: Warehouse, key: Key, layers: Layers, rows: int = BLOCK_ROWS
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Stream (row ids, float32 array (n, layers, dim)) of the layers a representation uses."""
    columns = layers.columns(warehouse)
    fingerprint = layers.fingerprint(warehouse)
    for batch in warehouse.lake.read_batches(key, ["row_id", *columns], fingerprint=fingerprint, rows=rows):
        read = [vector_block(batch.column(i + 1)) for i in range(len(columns))]
        yield batch.column(0).to_pylist(), np.stack(read, axis=1)


def read_basis(warehouse: Warehouse, name: str, spec: RepresentationSpec) -> maths.Basis:
    """Load the basis of a representation; refuses one fitted with other parameters."""
    key = ("representation_basis", name)
    arrays = warehouse.lake.read_arrays(key, basis_fingerprint(spec))
    return maths.Basis.from_arrays(arrays, warehouse.lake.require(key).meta["basis"])


def target_vectors(
    warehouse: Warehouse, name: str, spec: RepresentationSpec, target: str
) -> tuple[list[str], np.ndarray]:
    """Return (row ids, (queries, dim) vectors) of a target in a representation; the fit never saw them.

    Raises:
        ValueError: an example has no vector, because the user brought none.
    """
    key = layers_of(spec).target_key(target)
    info = warehouse.lake.require(key)
    if unmatched := info.meta.get(UNMATCHED):
        assert spec.source is not None
        raise ValueError(
            f"{unmatched} of the {info.rows} examples of target {target!r} have no vector in {spec.source.table}, from "
            f"which representation {name!r} takes its vectors: add theirs under their {spec.source.match}"
        )
    return query_vectors(warehouse, name, spec, layers_of(spec).target_key(target))


def query_vectors(warehouse: Warehouse, name: str, spec: RepresentationSpec, key: Key) -> tuple[list[str], np.ndarray]:
    """Return (row ids, (rows, dim) vectors) of a table of embeddings that are not those of the pool."""
    basis = read_basis(warehouse, name, spec)
    ids, vectors = [], []
    for block_ids, block in layer_blocks(warehouse, key, layers_of(spec)):
        ids += block_ids
        vectors.append(maths.compress(spec.compress, basis, block).vectors)
    return ids, np.concatenate(vectors)


def _moments(name: str, spec: RepresentationSpec) -> Table:
    layers = layers_of(spec)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        version = warehouse.lake.version((*layers.key, str(source)))
        return Expected(("representation_moments", name, str(source)), basis_fingerprint(spec), {"embeddings": version})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        corpus = lake.scan(("corpus", str(step.source))).select("row_id", "content_hash").collect()
        # Copies of one conversation would count as evidence for its direction: each content is counted once.
        distinct = set(corpus.sort("row_id").unique("content_hash", keep="first")["row_id"])
        parts = []
        for ids, block in layer_blocks(step.warehouse, (*layers.key, str(step.source)), layers):
            keep = np.fromiter((row in distinct for row in ids), bool, len(ids))
            part = maths.moments(maths.prepare(spec.compress, block[keep]))
            parts = [maths.Moments.merge(*parts, part)]
            step.progress(parts[0].n, len(distinct))
        total = parts[0]
        info = lake.write_arrays(step.expected, total.to_arrays(), meta={"n": int(total.n)})
        return Built(
            info,
            int(total.n),
            metadata={"rows_fitted": int(total.n), "dimensions": len(total.mean)},
            rows_total=int(total.n),
        )

    return Table(
        kind=MOMENTS,
        key=(MOMENTS.name, name),
        description=(
            "Count, mean and scatter matrix of the layer vectors of one source in fp64 (Chan's exact merge), so that "
            "a new source adds only its own pass."
        ),
        group="compressed",
        reads=[("corpus",), layers.key],
        expect=expect,
        build=build,
        kinds=frozenset({"safetensors", "numpy"}),
        version=basis_fingerprint(spec),
    )


def _basis(name: str, spec: RepresentationSpec) -> Table:
    fitted = maths.needs_fit(spec.compress)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("representation_moments", name) if fitted else _kept_numbers(warehouse, spec)
        return Expected(("representation_basis", name), basis_fingerprint(spec), inputs)

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        keys = [tuple(name.split("/")) for name in step.expected.inputs] if fitted else []
        parts = [maths.Moments.from_arrays(lake.read_arrays(key, basis_fingerprint(spec))) for key in keys]
        moments = maths.Moments.merge(*parts) if parts else None
        layers = layers_of(spec)
        count = len(layers.columns(step.warehouse))
        basis = maths.fit_basis(spec.compress, moments, count, layers.width(step.warehouse))
        info = lake.write_arrays(step.expected, basis.arrays, meta={"basis": basis.info})
        for warning in basis.info["warnings"]:
            step.log.warning(warning)
        rows = moments.n if moments else 0
        error = maths.variance_error(spec.compress, basis, moments) if moments else 0.0
        shown = {k: v for k, v in basis.info.items() if isinstance(v, int | float | str)}
        return Built(
            info,
            rows,
            metadata={**shown, "rows_fitted": rows, "warnings": "; ".join(basis.info["warnings"]) or "none"},
            checks={"moments": Check(error < 1e-6, {"largest_relative_error": error})},
            rows_total=rows,
        )

    return Table(
        kind=BASIS,
        key=(BASIS.name, name),
        description=f"The projection of `{name}`: {spec.doc}",
        group="compressed",
        reads=[("representation_moments", name)] if fitted else _made_beside(spec),
        expect=expect,
        build=build,
        checks={"moments": "transforming the fitted moments gives exactly the variances that the method promises"},
        kinds=frozenset({"safetensors", "numpy"}),
        version=basis_fingerprint(spec),
    )


def _made_beside(spec: RepresentationSpec) -> list[Key]:
    """Return the tables that say how long the vectors of a representation are, where its own file does not."""
    return [(CURVATURE.name, spec.gradients)] if spec.gradients else []


def _kept_numbers(warehouse: Warehouse, spec: RepresentationSpec) -> dict[str, str]:
    """Return what decides how long the vectors are, where another file says it: a basis of nothing has their length."""
    if not spec.gradients:
        return {}
    own = warehouse.registry.gradients[spec.gradients]
    return {
        "kept": f"{own.projection} {own.dims}",
        "curvature": warehouse.lake.version((CURVATURE.name, spec.gradients)),
    }


def _vectors(name: str, spec: RepresentationSpec) -> Table:
    return RowTable(
        rows_of=layers_of(spec).key,
        wants=partial(_wants, name, spec),
        work=partial(_work, name, spec),
        compute=compress,
        load=load_basis,
        facts=partial(_facts, name),
        verify=_verify,
    ).table(
        kind=REPRESENTATIONS,
        key=(REPRESENTATIONS.name, name),
        description=f"Compressed unit vectors of `{name}`. {spec.doc}",
        group="compressed",
        reads=[layers_of(spec).key, (BASIS.name, name)],
        checks={
            "covers_corpus": "one vector for every embedded conversation",
            "unit_norm": "every vector has norm 1 up to float16 rounding, none has NaN; zero rows are flagged",
        },
        kinds=frozenset({"parquet", "numpy"}),
        version=basis_fingerprint(spec),
    )


def _wants(name: str, spec: RepresentationSpec, warehouse: Warehouse, source: str | None) -> Wanted:
    embeddings = warehouse.lake.info((*layers_of(spec).key, str(source)))
    basis = warehouse.lake.version((BASIS.name, name))
    made_by = embeddings.fingerprint if embeddings else "missing"
    return Wanted(digest([basis_fingerprint(spec), basis, made_by]))


def _work(name: str, spec: RepresentationSpec, step: Step) -> Work:
    warehouse = step.warehouse
    basis = warehouse.lake.require((BASIS.name, name), basis_fingerprint(spec))
    layers = layers_of(spec)
    warehouse.lake.require((*layers.key, str(step.source)), layers.fingerprint(warehouse))
    dim = int(basis.meta["basis"]["dim_out"])
    schema = pa.schema([("row_id", pa.string()), ("vector", vector_type(dim)), ("is_zero", pa.bool_())])
    arguments = {
        "name": name,
        # Only what was said: an option that is spelled out is refused where the method does not take it.
        "compress": spec.compress.model_dump(mode="json", exclude_unset=True),
        "basis_fingerprint": basis.fingerprint,
        "basis_version": basis.data_version,
    }
    return Work(schema, layers.columns(warehouse), arguments, meta={"dim": dim})


def load_basis(
    warehouse: Warehouse, name: str, compress: Mapping[str, Any], basis_fingerprint: str, basis_version: str
) -> tuple[CompressSpec, maths.Basis]:
    """Load how layers are compressed; ``basis_version`` only says which basis it was."""
    key = (BASIS.name, name)
    arrays = warehouse.lake.read_arrays(key, basis_fingerprint)
    basis = maths.Basis.from_arrays(arrays, warehouse.lake.require(key).meta["basis"])
    return CompressSpec.model_validate(compress), basis


def compress(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return the compressed vectors of rows with layers, and which of them have no direction.

    Raises:
        WholeTableError: a vector is not of unit norm.
    """
    spec, basis = context.loaded
    tables = []
    for block in rows.iter_slices(BLOCK_ROWS):
        made = maths.compress(spec, basis, np.stack([vectors_of(layer) for layer in block[:, 1:]], axis=1))
        norms = np.linalg.norm(made.vectors[~made.is_zero], axis=1)
        worst = float(np.abs(norms - 1).max(initial=0))
        if not worst < UNIT_NORM:
            raise WholeTableError(f"made vectors that are not of unit norm (off by {worst:.2g}); not published")
        context.note(peak_deviation=worst, zero_rows=int(made.is_zero.sum()))
        columns = [block["row_id"].to_arrow(), vector_array(made.vectors), pa.array(made.is_zero)]
        tables.append(pa.table(columns, names=["row_id", "vector", "is_zero"]))
        context.progress(sum(table.num_rows for table in tables))
    return pa.concat_tables(tables).select(["row_id", *context.columns])


def _facts(name: str, step: Step, update: Update) -> dict[str, Any]:
    return {
        "dimensions": update.info.meta["dim"],
        "zero_rows_new": update.facts.get("zero_rows", 0),
        "basis": table_link(BASIS.name, name),
    }


def _verify(step: Step, update: Update) -> dict[str, Check]:
    worst = update.facts.get("peak_deviation", 0.0)
    return {
        "covers_corpus": Check(True, {"rows": update.info.rows}),
        "unit_norm": Check(worst <= UNIT_NORM, {"largest_deviation": worst}),
    }


def _fidelity(name: str, spec: RepresentationSpec) -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        fingerprint = digest([FIDELITY.version, basis_fingerprint(spec), FIDELITY_ROWS])
        return Expected(("fidelity", name), fingerprint, warehouse.versions("representations", name))

    def build(step: Step) -> Built:
        basis = read_basis(step.warehouse, name, spec)
        layers = sample_layers(step.warehouse, spec, FIDELITY_ROWS)
        found = maths.fidelity(spec.compress, basis, layers)
        kept = float("nan") if found.variance_kept is None else found.variance_kept
        figures = {
            "neighbour_recall_at_10": found.neighbour_recall,
            "selection_overlap": found.selection_overlap,
            "variance_kept": kept,
        }
        wanted = layers_of(spec).layer_numbers(step.warehouse)
        energy = pl.DataFrame({"layer": wanted, "energy_share": found.layer_energy})
        table = energy.with_columns(pl.lit(value).alias(figure) for figure, value in figures.items())
        info = step.warehouse.lake.write(step.expected, table)
        png = plots.layer_energy(found.layer_energy, wanted)
        return Built(
            info,
            found.rows,
            metadata={
                **{figure: round(value, 4) for figure, value in figures.items() if not np.isnan(value)},
                "rows_sampled": found.rows,
                "plot: layer energy": picture(png, f"share of squared length per layer of {name}"),
                "note": _TOO_FEW.format(found.rows) if np.isnan(found.neighbour_recall) else _AGREEMENT,
            },
            rows_total=found.rows,
        )

    return Table(
        kind=FIDELITY,
        key=(FIDELITY.name, name),
        description=(
            f"What `{name}` does to neighbourhoods and to a selection, against the uncompressed layers (a hash sample)."
        ),
        group="compressed",
        reads=[("representations", name)],
        expect=expect,
        build=build,
        kinds=frozenset({"parquet", "numpy"}),
        version=basis_fingerprint(spec),
    )


def sample_layers(warehouse: Warehouse, spec: RepresentationSpec, rows: int) -> np.ndarray:
    """Return the layers of a hash sample of the pool, (rows, layers, dim) float32; the same rows for every file."""
    keys = [(*layers_of(spec).key, str(source)) for source in warehouse.active_sources()]
    keys = [key for key in keys if warehouse.lake.info(key)]
    ids = [row for key in keys for row in warehouse.lake.scan(key).select("row_id").collect()["row_id"]]
    wanted = {ids[i] for i in hash_sample(ids, rows, seed=0)}
    picked = []
    for key in keys:
        for block_ids, block in layer_blocks(warehouse, key, layers_of(spec)):
            keep = np.fromiter((row in wanted for row in block_ids), bool, len(block_ids))
            picked.append(block[keep])
    return np.concatenate(picked)
