"""Whether an answer is about its question: the arithmetic, and which texts are compared."""

import numpy as np
import pytest

from datasel_assets.indicators.pair_similarity import last_exchange, pair_similarity


def talk(*turns: str) -> list[dict[str, str]]:
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return [{"role": roles[turn[0]], "content": turn[2:]} for turn in turns]


def test_the_score_is_the_cosine_whatever_the_lengths():
    prompts = np.array([[1, 0], [3, 0], [2, 2], [0, 0], [1, 0]])
    responses = np.array([[5, 0], [-1, 0], [0, 7], [1, 0], [0, 0]])
    found = pair_similarity(prompts, responses)
    np.testing.assert_allclose(found, [1, -1, np.sqrt(0.5), np.nan, np.nan])


def test_vectors_in_half_precision_are_not_multiplied_in_half_precision():
    far = np.full((1, 384), 300.0, np.float16)  # its squared length is beyond float16
    np.testing.assert_allclose(pair_similarity(far, far), [1.0])


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        (("u q", "a r"), ("q", "r")),
        (("s be kind", "u q", "a r"), ("q", "r")),
        (("u q", "a r", "u more", "a s"), ("more", "s")),
        (("u q", "u and", "a r"), ("q\n\nand", "r")),
        (("u q", "a call", "t result", "a r"), ("result", "r")),
        (("s write", "a r"), ("write", "r")),
        (("a r",), ("", "r")),
        (("u q",), ("q", "")),
    ],
)
def test_the_last_answer_is_compared_with_what_was_asked_just_before(turns: tuple, found: tuple):
    assert last_exchange(talk(*turns)) == found
