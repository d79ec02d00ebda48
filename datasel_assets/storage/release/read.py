"""Reading a release back. Belongs here: the ids of its rows. Not: whether its bytes are unchanged (``folder``)."""

import polars as pl

from datasel_assets.storage.release.folder import Release, ReleaseDamagedError

DATA = "train.parquet"


def release_rows(release: Release) -> pl.DataFrame:
    """Return ``row_id`` and ``score`` of every conversation of a release, by rank.

    Raises:
        ReleaseDamagedError: its data file is gone or cannot be read.
    """
    try:
        return pl.read_parquet(release.path / DATA, columns=["row_id", "score"], glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReleaseDamagedError(f"{release.path / DATA} cannot be read: {error}") from error
