"""Reading a release back. Belongs here: the ids of its rows. Not: whether its bytes are unchanged (``folder``)."""

import polars as pl

from datasel_assets.storage.release.folder import Release, ReleaseDamagedError

DATA, HELD = "train.parquet", "validation.parquet"


def release_rows(release: Release) -> pl.DataFrame:
    """Return ``row_id`` and ``score`` of every conversation of a release, by rank; copies of one count once.

    Those that are held back for validation were selected as well.

    Raises:
        ReleaseDamagedError: its data file is gone or cannot be read.
    """
    try:
        names = [name for name in (DATA, HELD) if name == DATA or name in release.files]
        columns = ["row_id", "score", "rank"]
        rows = pl.concat(pl.read_parquet(release.path / name, columns=columns, glob=False) for name in names)
        ordered = rows.sort("rank", maintain_order=True, nulls_last=True).drop("rank")
        return ordered.unique("row_id", keep="first", maintain_order=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReleaseDamagedError(f"{release.path / DATA} cannot be read: {error}") from error
