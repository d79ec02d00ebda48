"""What it costs to try every arm once.

Belongs here: the share of the tries, and refusing a plan that ends before the bandit can know anything. Does not: the
rules (``ucb``, ``exp3``).
"""


class TooFewTriesError(ValueError):
    """A bandit would end before it has tried every arm, and has nothing else to go by."""


def sweep_share(arms: int, tries: int, *, has_prior: bool) -> float:
    """Return the share of the tries that goes once through all arms before any arm is preferred; 0 with a prior.

    Args:
        arms: how many there are.
        tries: how many there will be.
        has_prior: whether the bandit knows before the first try which arms are promising.

    Raises:
        TooFewTriesError: there are fewer tries than arms, and no prior: the choice would be random.
    """
    if has_prior:
        return 0.0
    if tries < arms:
        raise TooFewTriesError(
            f"{tries:,} tries do not reach {arms:,} arms once, so nothing would be learned of most of them: give the "
            "bandit a prior, more tries or fewer arms"
        )
    return arms / tries
