"""Indicators from one teacher-forced pass of a language model (I6), and from contrasts of passes (I7). Pure numpy.

Belongs here: reducing the statistics of response tokens to one value for each row. Not: the passes
(:mod:`datasel_assets.models.causal_lm`), the arrays (:mod:`datasel_assets.indicators.token_table`).

Over the turns of a row, the tokens are pooled: each response token of a conversation has the same weight, whichever
assistant turn it stands in. A row with no response token, or with a turn that could not be scored, is NaN; the
statistics say why (``stats.by_row.reason``). Logarithms are natural.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from datasel_assets.indicators.base import Indicator, indicator
from datasel_assets.indicators.token_table import TokenStats, choice_table
from datasel_assets.specs.language_model import (
    BARE,
    CHECKPOINT,
    CHOICES,
    CONDITIONED,
    HEADER,
    PERTURBED,
    PROMPT,
    SUBNET,
)

Contexts = Mapping[str, TokenStats]
"""Statistics by context: ``conditioned``, ``unconditioned_bare``, ``unconditioned_header``, ``perturbed_<k>``,
``subnet_<k>``, ``checkpoint_<k>``, ``choices``, and ``prompt``: the messages of the user in the conditioned context."""


@indicator(keep="mid", bounds=(0, None), source="survey Eq 10 (corrected: mean over predicted positions)")
def nll(contexts: Contexts) -> np.ndarray:
    """Mean negative log-likelihood of a response token given all before it, in nats.

    ``-(1/T) sum_t log p(y_t | y_<t, prompt)`` over the T response tokens that have a prediction.
    """
    return _rows(contexts, CONDITIONED).nll


@indicator(keep="mid", bounds=(1, None), source="Ankner et al. 2024; survey Eq 10 (corrected: exp, not 2^)")
def perplexity(contexts: Contexts) -> np.ndarray:
    """Perplexity of the response given the prompt: how many equally likely tokens the model wavers between.

    ``exp(nll)``. Marion et al. and Ankner et al. keep the middle.
    """
    return _exp(_rows(contexts, CONDITIONED).nll)


@indicator(keep="mid", bounds=(0, None), source="Li et al. 2024 (Cherry LLM), before the warm-up")
def prompt_nll(contexts: Contexts) -> np.ndarray:
    """Mean negative log-likelihood of a token of the user's messages given all before it, in nats.

    ``-(1/T) sum_t log p(x_t | x_<t)`` over the T tokens of the user's messages that come before a response; what the
    template writes around them, the same in every row, is read and not scored (the authors score it too). NaN where a
    message lies in no pass, such as one before a response that is skipped as too long.
    """
    return _rows(contexts, PROMPT).nll


@indicator(keep="mid", bounds=(1, None), source="Li et al. 2024 (Cherry LLM), before the warm-up")
def prompt_perplexity(contexts: Contexts) -> np.ndarray:
    """Perplexity of the prompt: how unusual the model finds what is asked, whatever the answer.

    ``exp(prompt_nll)``. Cherry LLM takes its warm-up rows from the middle half.
    """
    return _exp(_rows(contexts, PROMPT).nll)


@indicator(
    keep="mid", bounds=(0, float(np.sqrt(2))), source="Paul et al. 2021; Marion et al. 2023; survey Eq 13 (closed form)"
)
def el2n(contexts: Contexts) -> np.ndarray:
    """EL2N: mean distance between the predicted distribution and the token that came.

    ``(1/T) sum_t ||p_t - onehot(y_t)||_2 = (1/T) sum_t sqrt(sum_v p_t(v)^2 - 2 p_t(y_t) + 1)``.
    """
    return _rows(contexts, CONDITIONED).el2n


@indicator(keep="high", bounds=(0, None), source="Bhatt et al. 2024; survey Eq 17 (corrected: sum over the vocabulary)")
def entropy(contexts: Contexts) -> np.ndarray:
    """Mean entropy of the model's prediction at each response token, in nats.

    ``-(1/T) sum_t sum_v p_t(v) log p_t(v)``, teacher-forced: the prefix is the true response and not what the model
    would have written itself. At most ``log V``.
    """
    return _rows(contexts, CONDITIONED).entropy


@indicator(keep="high", bounds=(0, 1), source="Bhatt et al. 2024; survey Eq 18 (corrected: mean, not product)")
def least_confidence(contexts: Contexts) -> np.ndarray:
    """One minus the probability of the most likely token, averaged over the response.

    ``1 - (1/T) sum_t max_v p_t(v)``. The product over tokens that is printed in the survey goes to 0 with the length.
    """
    return 1 - _rows(contexts, CONDITIONED).top1


@indicator(keep="low", bounds=(0, 1), source="Bhatt et al. 2024; survey Eq 19 (on probabilities, not logits)")
def margin(contexts: Contexts) -> np.ndarray:
    """Mean gap between the two most likely tokens; low where the model hesitates.

    ``(1/T) sum_t (p_t(1) - p_t(2))``, the largest minus the second largest probability.
    """
    return _rows(contexts, CONDITIONED).margin


@indicator(
    keep="low", bounds=(0, 1), aggregate="min", source="Bhatt et al. 2024; survey Eq 20 (on probabilities, not logits)"
)
def min_margin(contexts: Contexts) -> np.ndarray:
    """Smallest gap between the two most likely tokens: the one place where the model hesitates most.

    ``min_t (p_t(1) - p_t(2))`` over all response tokens of the row. Falls with the length by itself.
    """
    return _rows(contexts, CONDITIONED).min_margin


@indicator(keep="mid", bounds=(0, 1), source="Biderman et al. 2023; Marion et al. 2023; survey Eq 14 (teacher-forced)")
def memorisation(contexts: Contexts) -> np.ndarray:
    """Share of the response tokens that the model would have written itself.

    ``(1/T) sum_t [y_t = argmax_v p_t(v)]``. Teacher-forced: k-extractability feeds the model its own tokens, which
    gives the same only while all before were right, so this is an upper bound of it.
    """
    return _rows(contexts, CONDITIONED).hit_rate


@indicator(keep="high", bounds=(0, None), source="Li et al. 2024 (Cherry LLM), IFD; survey Eq 15, form of the release")
def ifd_loss_ratio(contexts: Contexts) -> np.ndarray:
    """IFD of Cherry LLM: loss of the response with its prompt, relative to the loss without.

    ``nll(A | Q) / nll(A)``, where without a prompt the response still follows the header of the assistant turn (such as
    ``### Response:``). Low where the prompt helps most. The method drops rows above 1 and then keeps the highest. NaN
    where there is no prompt, or where the response costs nothing without one. Ranks rows otherwise than
    ``ifd_perplexity_ratio``.
    """
    with_prompt, without = _rows(contexts, CONDITIONED).nll, _rows(contexts, HEADER).nll
    return np.divide(with_prompt, without, out=np.full(len(without), np.nan), where=without > 0)


@indicator(
    keep="high", bounds=(0, None), source="Li et al. 2024 (Superfiltering), IFD; survey Eq 15, form of the release"
)
def ifd_perplexity_ratio(contexts: Contexts) -> np.ndarray:
    """IFD of Superfiltering: perplexity of the response with its prompt, relative to the perplexity without.

    ``exp(nll(A | Q) - nll(A))``, where A stands bare, after BOS. With a tokenizer without BOS the first token of the
    bare response has no prediction and is left out of it. The method drops rows above 1 and then keeps the highest.
    NaN where there is no prompt. Ranks rows otherwise than ``ifd_loss_ratio``.
    """
    return _exp(_rows(contexts, CONDITIONED).nll - _rows(contexts, BARE).nll)


@indicator(
    keep="high", bounds=(0, 1), source="Kung et al. 2023 (Active Instruction Tuning); survey Eq 47 (corrected sign)"
)
def prompt_uncertainty(contexts: Contexts) -> np.ndarray:
    """How much the probability of the response moves when words of its prompt are dropped.

    ``(1/K) sum_k |exp(-L_k) - exp(-L_0)|``: L_0 is the mean loss of a response token given the prompt, L_k the same
    given the k-th copy of the prompt with words dropped. High is uncertain. NaN where the prompt has fewer than two
    words.
    """
    whole = np.exp(-_rows(contexts, CONDITIONED).nll)
    changes = [np.abs(np.exp(-stats.nll) - whole) for stats in _numbered(contexts, PERTURBED)]
    return np.mean(changes, axis=0)


@indicator(keep="low", bounds=(0, None), source="Jiang et al. 2024 (DLC), arXiv 2402.05356; survey Eq 11 (mean NLL)")
def learning_complexity(contexts: Contexts) -> np.ndarray:
    """Mean loss of the response under subnets of the model with more and more weights masked.

    ``(1/K) sum_k nll_k``, subnet k with the share ``subnet_rates[k]`` of the weights of its blocks set to zero: 10, 30
    and 50 % unless the file of the model says otherwise, a pass for each. The paper has nine, 10 to 90 %. Low is easy:
    a small budget is best spent on easy rows. The mean is over losses and not over perplexities, which the last
    subnets would dominate.
    """
    return np.mean([stats.nll for stats in _numbered(contexts, SUBNET)], axis=0)


@indicator(keep="low", bounds=(0, None), source="after Jiang et al. 2024, arXiv 2402.05356, over checkpoints")
def learning_complexity_checkpoints(contexts: Contexts) -> np.ndarray:
    """Mean loss of the response under checkpoints of the model's training.

    ``(1/K) sum_k nll_k`` over K checkpoints: low where the row is learned early. The paper masks weights instead
    (``learning_complexity``); checkpoints show what training itself found easy, and cost K passes as well.
    """
    return np.mean([stats.nll for stats in _numbered(contexts, CHECKPOINT)], axis=0)


@indicator(keep="high", bounds=(0, 1), source="Jiang et al. 2023 (CAPE), calibration by prompt ensembles; catalogue N2")
def cape(contexts: Contexts) -> np.ndarray:
    """Uncertainty of a multiple-choice answer, calibrated over orders of the choices (CAPE).

    ``1 - max_c (1/P) sum_p softmax_c(logp[p, c])``: logp is that of the letter of choice c in prompt p. 0 where all P
    prompts agree on one choice with certainty, ``1 - 1/C`` where nothing tells the C choices apart. NaN for rows that
    are not multiple choice, by the strict reading of their text that ``choices`` in the contexts stands for.
    """
    if CHOICES not in contexts:
        raise KeyError(f"the context {CHOICES!r} is missing: have {', '.join(sorted(contexts)) or 'none'}")
    return ensemble_uncertainty(choice_table(contexts[CHOICES]))


def ensemble_uncertainty(choice_logp: np.ndarray) -> np.ndarray:
    """Return (n,) one minus the highest mean probability of a choice, see :data:`cape`.

    Args:
        choice_logp: (n, P, C) log-probability of choice c under prompt p, choices in one order for all prompts; -inf
            where a row has fewer choices or prompts, NaN where one could not be scored (the row is NaN then).
    """
    table = np.asarray(choice_logp, np.float64)
    highest = table.max(axis=2, keepdims=True, initial=-np.inf)
    present = np.isfinite(highest)
    shares = np.exp(table - np.where(present, highest, 0))
    total = shares.sum(axis=2, keepdims=True)
    shares = np.divide(shares, total, out=np.zeros_like(shares), where=present)
    prompts = present.sum(axis=1)
    mean = np.divide(shares.sum(axis=1), prompts, out=np.full(shares.shape[::2], np.nan), where=prompts > 0)
    result = 1 - mean.max(axis=1, initial=0.0)
    result[np.isnan(table).any(axis=(1, 2)) | (prompts[:, 0] == 0)] = np.nan
    return result


TOKENS: dict[str, Indicator] = {
    found.name: found
    for found in (
        nll,
        perplexity,
        prompt_nll,
        prompt_perplexity,
        el2n,
        entropy,
        least_confidence,
        margin,
        min_margin,
        memorisation,
        ifd_loss_ratio,
        ifd_perplexity_ratio,
        prompt_uncertainty,
        learning_complexity,
        learning_complexity_checkpoints,
        cape,
    )
}
"""Indicators that take :data:`Contexts`."""

NEEDS: dict[str, tuple[str, ...]] = {
    "ifd_loss_ratio": (CONDITIONED, HEADER),
    "ifd_perplexity_ratio": (CONDITIONED, BARE),
    "prompt_uncertainty": (CONDITIONED, PERTURBED),
    "learning_complexity": (SUBNET,),
    "learning_complexity_checkpoints": (CHECKPOINT,),
    "cape": (CHOICES,),
    "prompt_nll": (PROMPT,),
    "prompt_perplexity": (PROMPT,),
}
"""Contexts of an indicator of :data:`TOKENS`; those that are not named need ``conditioned`` alone."""


def computable(contexts: Iterable[str]) -> dict[str, Indicator]:
    """Return the indicators of :data:`TOKENS` whose contexts are all there, numbered (``subnet_0``) or not."""
    present = {name.rsplit("_", 1)[0] if name.rsplit("_", 1)[-1].isdigit() else name for name in contexts}
    return {name: found for name, found in TOKENS.items() if present.issuperset(NEEDS.get(name, (CONDITIONED,)))}


def passes_of(indicator: str, passes: Iterable[str]) -> list[str]:
    """Return those of the passes, numbered (``subnet_0``) or not, that an indicator is made from."""
    needs = NEEDS.get(indicator, (CONDITIONED,))
    return [name for name in passes if name in needs or name.rstrip("0123456789").rstrip("_") in needs]


def _rows(contexts: Contexts, name: str) -> TokenStats:
    if name not in contexts:
        raise KeyError(f"the context {name!r} is missing: have {', '.join(sorted(contexts)) or 'none'}; score it first")
    return contexts[name].by_row


def _numbered(contexts: Contexts, name: str) -> list[TokenStats]:
    found = [_rows(contexts, key) for key in sorted(contexts) if key.rsplit("_", 1)[0] == name]
    if not found:
        raise KeyError(f"no context {name}_<k>: have {', '.join(sorted(contexts)) or 'none'}; score it first")
    return found


def _exp(values: np.ndarray) -> np.ndarray:
    """Return ``exp``; NaN where that is more than a float64 holds."""
    with np.errstate(over="ignore"):
        result = np.exp(values)
    return np.where(np.isinf(result), np.nan, result)
