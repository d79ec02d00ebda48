"""``kind: warm_up``: a model is trained on a selection and reads the rest. Not here: the selection (``recipe``)."""

from typing import Annotated, Literal

from pydantic import Field

from datasel_assets.schema import Slug
from datasel_assets.specs.loop.trained import TrainedLoopSpec


class WarmUpSpec(TrainedLoopSpec, frozen=True):
    """The score of rows under a model that was trained on a first selection, in ``loops/<name>.yaml``.

    Attributes:
        kind: ``warm_up``.
        after: the recipe whose selection the model is trained on; rows of it have no score.
        epochs: how often each of them is seen.
        by: the score: IFD (``ifd_loss_ratio``), or the loss of the response (``nll``).
        up_to: rows with a higher value have no score; none: no bound. An IFD above 1 says that the prompt does not
            help.
    """

    kind: Literal["warm_up"]
    after: Slug
    epochs: Annotated[int, Field(ge=1)] = 1
    by: Literal["ifd_loss_ratio", "nll"] = "ifd_loss_ratio"
    up_to: Annotated[float, Field(allow_inf_nan=False)] | None = 1.0
    paper: str = "From Quantity to Quality (Cherry LLM, arXiv 2308.12032)"

    @property
    def files(self) -> tuple[tuple[str, str, str], ...]:
        """(key, folder, name) of the files that it cannot do without."""
        return (*super().files, ("after", "recipes", self.after))
