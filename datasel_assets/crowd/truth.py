"""What is probably true of each task: every method by the name that files use.

Belongs here: the list of methods, and the plain vote. Does not: the others (a file each beside this one), how good
workers are on golden tasks (``workers``).

The posterior of the voting methods (majority, PM, CATD) is a share of votes, that of the others a probability. Ties
stay ties: classes that are equally probable share the posterior, and nobody draws lots.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from datasel_assets.crowd.answers import Answers
from datasel_assets.crowd.dawid_skene import dawid_skene
from datasel_assets.crowd.glad import glad
from datasel_assets.crowd.posterior import Truth, quality_of, shares
from datasel_assets.crowd.weighted_votes import catd, pm
from datasel_assets.crowd.zencrowd import zencrowd


def majority(answers: Answers) -> Truth:
    """Return the share of each class among the answers of a task."""
    posterior = answers.pinned(shares(answers.votes()))
    return Truth(posterior, quality_of(answers, posterior), 1)


METHODS: Mapping[str, Callable[[Answers], Truth]] = MappingProxyType(
    {
        "majority": majority,
        "zencrowd": zencrowd,
        "dawid_skene": dawid_skene,
        "glad": glad,
        "pm": pm,
        "catd": catd,
    }
)
"""Name -> method."""
