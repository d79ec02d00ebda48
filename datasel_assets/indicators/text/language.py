"""Language: which language a text is in, how sure that is, and whether two sides agree.

Belongs here: columns about language. Does not: the identifier itself (``identifier``).
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.identifier import UNDETERMINED, identify
from datasel_assets.indicators.text.parts import BOTH
from datasel_assets.words.batch import TextBatch

# Written Chinese is told from its varieties by a few characters only.
_WRITTEN_ALIKE = {"wuu": "zh", "yue": "zh"}
_LANGID = "Lui and Baldwin 2012, langid; model of py3langid"


def languages(batch: TextBatch) -> list[str]:
    """Code of the language of each text (ISO 639-1), ``und`` where it cannot be told."""
    return list(batch.shared(identify)[0])


@indicator(keep="high", bounds=(0, 1), source=_LANGID, parts=BOTH)
def language_confidence(batch: TextBatch) -> np.ndarray:
    """Probability of the most likely of 140 languages.

    Naive Bayes over byte n-grams of the first 2,000 characters. Low for mixed text, code and noise. NaN where the
    letters of the text take fewer than 20 bytes.
    """
    return batch.shared(identify)[1].copy()


@indicator(keep="low", bounds=(0, 1), source=_LANGID)
def language_mismatch(prompt: TextBatch, response: TextBatch) -> np.ndarray:
    """1 where prompt and response are in different languages, else 0.

    Tasks of translation are 1 by nature; Wu and Cantonese count as Chinese. NaN where the language of either side
    cannot be told: fewer than 20 bytes of letters, or no language with a probability of one half.
    """
    left, right = _codes(prompt), _codes(response)
    told = (left != UNDETERMINED) & (right != UNDETERMINED)
    return np.where(told, (left != right).astype(np.float64), np.nan)


def _codes(batch: TextBatch) -> np.ndarray:
    return np.array([_WRITTEN_ALIKE.get(code, code) for code in batch.shared(identify)[0]], object)
