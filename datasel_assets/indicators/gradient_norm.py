"""The length of a row's gradient: GraNd (Paul et al. 2021).

Belongs here: what the score means. Does not: its YAML (``specs.score``), gradients (``models.gradients``).
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import Need, ScoreKind
from datasel_assets.specs.influence import GradientNormSpec


@indicator(keep="high", bounds=(0, None), source="Paul et al. 2021 (arXiv 2107.07075), Definition 2.1")
def gradient_norm(norm: np.ndarray) -> np.ndarray:
    """Length of the gradient of a row's loss with respect to the linear layers of a language model (GraNd).

    |grad l(row)|, the mean over the checkpoints that the file of gradients names. The paper means the expectation over
    initialisations, soon after the start of a training; here it is one training, by default at its end. NaN for a row
    without a response token.

    Args:
        norm: (n,) lengths or their means, 0 where a row has no gradient.
    """
    return np.where(norm > 0, norm, np.nan)


KIND = ScoreKind(
    name="gradient_norm",
    ways=("gradient_norm",),
    spec=GradientNormSpec,
    keep=gradient_norm.keep,
    per="source",
    indicator=gradient_norm,
    needs=lambda spec: (Need("gradient_table", "gradients", spec.gradients),),
    about=lambda spec: f"Length of the gradient of each row, of the gradients `{spec.gradients}`.",
    made_when_read=True,
)
"""The kind of the files with ``how: gradient_norm``."""
