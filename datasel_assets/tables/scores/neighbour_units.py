"""The search for neighbours in units of work, where other processes carry them out.

Belongs here: what goes through files so that any process can ask the index for some of the rows. Does not belong here:
the search (``arrays.nearest_neighbours``), the table (``neighbours``).
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from datasel_assets.arrays.nearest_neighbours import Query, query_index
from datasel_assets.compute import Unit
from datasel_assets.compute.units import path_of
from datasel_assets.storage.atomic import atomic_path
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.table import Step

UNIT_QUERIES = 16_384
"""A killed step loses at most the search for this many rows."""


def query_in_units(step: Step) -> Query:
    """Return what asks an index for the neighbours of many rows, unit by unit; of few it does so here.

    Index and vectors are written once, beside the shards of the table. What is found is the same as without units.
    """

    def query(
        index: Any, vectors: np.ndarray, queries: np.ndarray, base: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        if len(queries) <= UNIT_QUERIES:
            return query_index(index, vectors, queries, base, k)
        content = hashlib.blake2b(queries.tobytes() + base.tobytes(), digest_size=8).hexdigest()
        name = digest([dict(step.expected.inputs), content, k])
        folder = step.warehouse.lake.shard_folder(step.expected) / name
        if not (folder / "ready").is_file():
            _write(folder, index, {"vectors": vectors, "queries": queries, "base": base})
        pieces = [(start, min(start + UNIT_QUERIES, len(queries))) for start in range(0, len(queries), UNIT_QUERIES)]
        shards = [folder / f"{start}-{stop}.safetensors" for start, stop in pieces]
        units = [
            Unit(
                f"{'/'.join(step.expected.key)} {name} {start}",
                path_of(search),
                {"folder": str(folder), "start": start, "stop": stop, "k": k, "shard": str(shard)},
                stop - start,
            )
            for (start, stop), shard in zip(pieces, shards, strict=True)
            if not shard.is_file()
        ]
        before = len(queries) - sum(unit.rows for unit in units)
        for _ in step.warehouse.mapper.run(units, lambda rows: step.progress(before + rows, len(queries))):
            pass
        found = [_read(shard) for shard in shards]
        return np.concatenate([part["found"] for part in found]), np.concatenate([part["away"] for part in found])

    return query


def search(folder: str, start: int, stop: int, k: int, shard: str) -> dict[str, Any]:
    """Ask the index in ``folder`` for the neighbours of the queries ``start`` to ``stop`` and keep them as a shard."""
    import faiss
    from safetensors.numpy import save_file

    if Path(shard).is_file():
        return {}
    vectors, queries, base = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
    index = faiss.read_index(str(Path(folder) / "index"))
    found, away = query_index(index, vectors, np.asarray(queries[start:stop]), np.asarray(base), k)
    with atomic_path(Path(shard)) as temporary:
        save_file({"found": found, "away": away}, temporary)
    return {}


_ARRAYS = ("vectors", "queries", "base")


def _write(folder: Path, index: Any, arrays: dict[str, np.ndarray]) -> None:
    """Write what the units need, and last the word that it is complete."""
    import faiss

    for name, array in arrays.items():
        with atomic_path(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    with atomic_path(folder / "index") as temporary:
        faiss.write_index(index, str(temporary))
    with atomic_path(folder / "ready") as temporary:
        temporary.touch()


def _read(shard: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(shard)
