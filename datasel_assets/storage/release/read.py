"""Reading a release back. Belongs here: the ids of its rows. Not: whether its bytes are unchanged (``folder``)."""

import polars as pl

from datasel_assets.storage.release.folder import Release, ReleaseDamagedError

DATA = "train.parquet"


def release_rows(release: Release) -> pl.DataFrame:
    """Return ``row_id`` and ``score`` of every conversation of a release, by rank; copies of one count once.

    Raises:
        ReleaseDamagedError: its data file is gone or cannot be read.
    """
    try:
        rows = pl.read_parquet(release.path / DATA, columns=["row_id", "score"], glob=False)
        return rows.unique("row_id", keep="first", maintain_order=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReleaseDamagedError(f"{release.path / DATA} cannot be read: {error}") from error
