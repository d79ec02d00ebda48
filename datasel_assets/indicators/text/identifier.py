"""Identification of languages with the model of py3langid, offline.

Belongs here: from texts to codes and probabilities. Does not: columns. The model is the package's, its scores are
computed here: one compiled pass over the bytes of all texts in place of a Python loop over the bytes of each.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from datasel_assets.words.batch import LETTER, LOWER, UPPER, TextBatch

UNDETERMINED = "und"
LONGEST = 2000
"""Characters of a text that are read."""
FEWEST_BYTES = 20
"""UTF-8 bytes of letters below which a language is a guess: 20 Latin letters, 7 Chinese characters."""
SURE = 0.5
"""Probability from which the most likely language is taken for the language."""


@dataclass(frozen=True)
class Model:
    """A finite automaton over bytes whose states announce features, and a naive Bayes table over them.

    Attributes:
        step: int32 (rows, 256), the next state.
        row_of: int32 (states,), the row of ``step`` that a state has; states share rows.
        feature: int32 (states,), the feature that a state announces, -1 for none.
        weights: float32 (features, labels), log probabilities.
        prior: float32 (labels,).
        labels: codes; a code may stand twice, for two scripts of a language.
    """

    step: np.ndarray
    row_of: np.ndarray
    feature: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    labels: tuple[str, ...]


def identify(batch: TextBatch) -> tuple[list[str], np.ndarray]:
    """Find the language of each text.

    Returns:
        Codes (n), ``und`` where the text is too short or no language has a probability of ``SURE``; probabilities of
        the most likely language, float64 (n,), NaN where the text is too short.
    """
    from datasel_assets.indicators.text import kernels

    model = load_model()
    encoded = [_encode(text) for text in batch.texts.str.head(LONGEST).to_list()]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in encoded], dtype=np.int64)])
    stream = np.frombuffer(b"".join(encoded), np.uint8)
    scores = kernels.bayes_scores(stream, offsets, model.step, model.row_of, model.feature, model.weights, model.prior)
    # The temperature sqrt(bytes) is the package's: it keeps probabilities comparable over lengths.
    scores /= np.sqrt(np.maximum(np.diff(offsets), 1))[:, None]
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    probability = odds / odds.sum(axis=1, keepdims=True)
    names = list(dict.fromkeys(model.labels))
    folded = np.zeros((len(batch), len(names)))
    for column, name in enumerate(model.labels):
        folded[:, names.index(name)] += probability[:, column]
    best = folded.argmax(axis=1)
    sure = folded[np.arange(len(batch)), best]
    readable = letter_bytes(batch) >= FEWEST_BYTES
    codes = [names[k] if told else UNDETERMINED for k, told in zip(best, readable & (sure >= SURE), strict=True)]
    return codes, np.where(readable, sure, np.nan)


def letter_bytes(batch: TextBatch) -> np.ndarray:
    """UTF-8 bytes of the letters of each text, int64 (n,)."""
    return batch.count_bytes(UPPER, LOWER, LETTER)


@lru_cache(maxsize=1)
def load_model() -> Model:
    """Load the model of py3langid; about half a second and 80 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    return Model(
        np.asarray(found.tk_nextmove, np.int32).reshape(-1, 256),
        np.asarray(found.tk_row, np.int32),
        np.asarray(found.tk_output, np.int32),
        np.ascontiguousarray(found.nb_ptc, np.float32),
        np.asarray(found.nb_pc, np.float32),
        tuple(found.nb_classes),
    )


def _encode(text: str) -> bytes:
    """Bytes as the model was trained on: NFC, a text all in capitals in lower case."""
    if text.isupper():
        text = text.lower()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.encode()
