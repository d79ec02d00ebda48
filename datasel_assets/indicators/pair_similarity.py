"""Whether an answer is about its question, by vectors of both. Belongs here: which texts, the score. Not: the model."""

from collections.abc import Mapping, Sequence

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import ScoreKind
from datasel_assets.specs.score import PairSimilaritySpec


@indicator(
    keep="high",
    bounds=(-1, 1),
    source="Reimers and Gurevych 2019, Sentence-BERT, arXiv 1908.10084; as a check of pairs ours (docs/defects.md)",
)
def pair_similarity(prompts: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Cosine of the last question's own vector and its answer's: low where an answer belongs to another question.

    ``cos(e(q), e(a))``, each side read alone by a sentence encoder. It tells an answer that strayed to another row,
    which perplexity, IFD, EL2N and surface scores do not; it does not tell right answers from wrong ones on the same
    subject. The encoder must know the language. NaN where a side has no text.

    Args:
        prompts: (n, d), a row of zeros has no direction.
        responses: (n, d), as above.
    """
    p, r = np.asarray(prompts, np.float64), np.asarray(responses, np.float64)
    lengths = np.sqrt(np.vecdot(p, p) * np.vecdot(r, r))
    found = np.divide(np.vecdot(p, r), lengths, out=np.full(len(p), np.nan), where=lengths > 0)
    return np.clip(found, -1.0, 1.0)


def last_exchange(messages: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """Return the last answer of a conversation and what was asked just before it: the user's turns since the last one.

    Earlier turns are left out, because what a follow-up is about stands in it more often than not, and a text that is
    cut off after some tokens would lose it. Where no user speaks, the question is what else stands before the answer.

    >>> last_exchange([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])
    ('Hi', 'Hello')
    """
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        return "\n\n".join(message["content"] for message in messages), ""
    start = answers[-2] + 1 if len(answers) > 1 else 0
    before = messages[start : answers[-1]]
    asked = [message["content"] for message in before if message["role"] == "user"]
    asked = asked or [message["content"] for message in before]
    return "\n\n".join(asked), messages[answers[-1]]["content"]


KIND = ScoreKind(
    name="pair_similarity",
    ways=("pair_similarity",),
    spec=PairSimilaritySpec,
    keep=pair_similarity.keep,
    per="source",
    indicator=pair_similarity,
    about=lambda spec: (
        f"Cosine of the vectors of the last question and of its answer, each read alone by `{spec.model}`. New rows "
        "only."
    ),
)
"""The kind of the files with ``how: pair_similarity``."""
