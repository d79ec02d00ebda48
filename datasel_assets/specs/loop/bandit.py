"""The bandits of loops, as they stand in YAML. Not here: the rules (``bandits.ucb``, ``bandits.exp3``)."""

from typing import Annotated, Literal

from pydantic import Field

from datasel_assets.bandits.ucb import Exploration
from datasel_assets.schema import StrictModel


class UcbSpec(StrictModel, frozen=True):
    """Which cluster is tried next: the one with the highest mean reward, and a bonus for clusters seldom tried.

    Attributes:
        exploration: factor of the bonus: ``spread`` of the rewards so far, ``decaying`` with the number of tries, or a
            number, which must suit the rewards: far above their spread it tries all clusters alike.
        prior: what is thought of a cluster before its first try: the ``similarity`` of its centre to the target, or
            ``none``. Without one the first tries go once through all clusters, and there must be as many.
        prior_weight: how many tries the prior counts as.
        neighbours: cosine distance of centres up to which clusters learn from one another, with a weight that falls to
            0 there; 0: they do not.
    """

    exploration: Exploration | Annotated[float, Field(ge=0, allow_inf_nan=False)] = "spread"
    prior: Literal["similarity", "none"] = "similarity"
    prior_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    neighbours: Annotated[float, Field(ge=0, le=2)] = 0.2


class Exp3Spec(StrictModel, frozen=True):
    """Which group is next: one at random, the likelier the more it has earned.

    Attributes:
        gamma: share of the rounds in which any group is drawn.
        eta: how fast chances move; ``published``: gamma over the number of groups, with which they hardly have after
            20 rounds. With 0.3 they have, and the groups whose losses fall fastest are not those that help (see the
            docs).
    """

    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    eta: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["published"] = "published"
