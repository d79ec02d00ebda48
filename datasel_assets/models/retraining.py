"""When the proxy language model of a pool is trained again, and what is said of it.

Belongs here: the decision. Does not belong here: the drift that it looks at (:mod:`~datasel_assets.arrays.drift`), the
training (:mod:`~datasel_assets.models.proxy_lm`).
"""


def reason_to_train(
    moved: float | None, limit: float, checkpoints: int, kept: int, *, lacks_moments: bool = False
) -> str | None:
    """Return why a model must be trained, or None where it stays.

    Args:
        moved: drift of the pool since its training, in bits; None where there is no model of this description.
        limit: drift above which it is trained again.
        checkpoints: how many are asked for.
        kept: how many lie beside the model.
        lacks_moments: the moments of Adam are asked for, and do not lie beside the model and each of its checkpoints.
    """
    if moved is None:
        return "first training"
    if moved > limit:
        return f"the pool has moved by {moved:.3f} bits"
    if checkpoints not in (0, kept):
        return f"{checkpoints} checkpoints are asked for"
    if lacks_moments:
        return "the moments of Adam are asked for"
    return None


def said_of_training(reason: str | None, *, recorded: bool) -> str:
    """Return in words whether a model was trained.

    Args:
        reason: from :func:`reason_to_train`.
        recorded: whether the weights are those that the table told of before.
    """
    if reason:
        return f"yes: {reason}"
    return "no: the pool has hardly moved" if recorded else "yes: by a run that ended before it was recorded"
