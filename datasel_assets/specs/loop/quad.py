"""``kind: quad``: clusters tried by the influence of a few of their rows. Not here: the bandit's keys (``bandit``)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from datasel_assets.schema import Slug
from datasel_assets.specs.loop.bandit import UcbSpec
from datasel_assets.specs.loop.base import LoopBase


class QuadSpec(LoopBase, frozen=True):
    """A selection over clusters, in ``loops/<name>.yaml``: gradients of a few rows decide on the rows beside them.

    A bandit chooses clusters. Of each the next few rows are looked at; where their mean influence is above a threshold
    they are accepted, and the next rows of the cluster with them, unseen.

    Attributes:
        kind: ``quad``.
        influence: a file of ``scores/`` with ``how: influence``: model, target and how rows are compared with it. Its
            score is not computed for the pool; that of the rows that are looked at is. One without a target goes with
            ``bandit: {prior: none}``; ``precondition: gram`` takes the gradients of the whole pool first.
        arms: clusters that are tried in one round, of what the rounds before have taught.
        probe: rows of a cluster that are looked at in one try.
        accept: rows that a try that helps accepts beside those looked at; in the order of a hash of their ids.
        tau: mean influence that a try must exceed.
        rounds: how many there are at most; fewer where all rows were looked at or accepted.
        bandit: how clusters are chosen.
        seed: another seed, another order of the rows of a cluster, and of clusters that nothing is known of.
        doc: what it is for.
        paper: where it comes from.
    """

    CLUSTERED: ClassVar[bool] = True
    """It is made with the clusters by which recipes are balanced."""

    kind: Literal["quad"]
    influence: Slug
    arms: Annotated[int, Field(ge=1)] = 4
    probe: Annotated[int, Field(ge=1)] = 10
    accept: Annotated[int, Field(ge=0)] = 200
    tau: Annotated[float, Field(allow_inf_nan=False)] = 0.002
    rounds: Annotated[int, Field(ge=1)] = 25
    bandit: UcbSpec = UcbSpec()
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0
    doc: str = ""
    paper: str = "Harnessing Diversity for Important Data Selection in Pretraining (Quad, arXiv 2409.16986)"

    @property
    def files(self) -> tuple[tuple[str, str, str], ...]:
        """(key, folder, name) of the files that it cannot do without."""
        return (("influence", "scores", self.influence),)
