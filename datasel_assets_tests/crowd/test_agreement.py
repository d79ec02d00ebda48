import numpy as np
import pytest

from datasel_assets.crowd.agreement import krippendorff_alpha

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units, five values.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def published() -> tuple[np.ndarray, np.ndarray]:
    rows = [(unit, value - 1) for observer in OBSERVERS for unit, value in enumerate(observer) if value is not None]
    return np.array(rows)[:, 0], np.array(rows)[:, 1]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(level: str, alpha: float):
    assert krippendorff_alpha(*published(), level) == pytest.approx(alpha, abs=5e-4)


def test_no_disagreement_is_1_and_one_answer_everywhere_is_unknown():
    task = np.array([0, 0, 1, 1])
    assert krippendorff_alpha(task, np.array([0, 0, 1, 1])) == 1
    assert np.isnan(krippendorff_alpha(task, np.zeros(4, int)))
    assert np.isnan(krippendorff_alpha(np.arange(4), np.array([0, 1, 0, 1])))
    assert np.isnan(krippendorff_alpha(np.array([]), np.array([])))


def test_answers_dealt_out_at_random_agree_by_chance_alone():
    draw = np.random.default_rng(0)
    assert abs(krippendorff_alpha(np.repeat(np.arange(20_000), 3), draw.integers(4, size=60_000))) < 0.01
