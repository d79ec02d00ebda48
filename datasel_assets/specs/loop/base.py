"""What every file in ``loops/`` says of itself. Not here: any kind (one file each beside this one)."""

from typing import ClassVar

from datasel_assets.schema import StrictModel


class LoopBase(StrictModel, frozen=True):
    """What a file in ``loops/`` may hold; its name makes the score ``loops.<name>``.

    Attributes:
        doc: what it is for.
        paper: where it comes from.
    """

    CLUSTERED: ClassVar[bool] = False
    """Whether it is made with the clusters by which recipes are balanced."""

    doc: str = ""
    paper: str = ""

    @property
    def files(self) -> tuple[tuple[str, str, str], ...]:
        """(key, folder, name) of the files that it cannot do without."""
        return ()

    @property
    def scores(self) -> tuple[str, ...]:
        """Scores and columns of the pool that it reads."""
        return ()
