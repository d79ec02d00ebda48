import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import logsumexp

from datasel_assets.crowd.answers import Answers, numbered
from datasel_assets.crowd.dawid_skene import dawid_skene, starting_tables
from datasel_assets.crowd.posterior import accuracy
from datasel_assets.crowd.truth import METHODS, majority
from datasel_assets.crowd.weighted_votes import catd
from datasel_assets.crowd.zencrowd import zencrowd
from datasel_assets_tests.crowd.made_up import crowd

ALL = pytest.mark.parametrize("method", sorted(METHODS))
EM = pytest.mark.parametrize("method", ["zencrowd", "dawid_skene", "glad"])


def with_prior(answers: Answers):
    return dawid_skene(answers, prior_right=2.5, prior_wrong=0.5)


def mean_accuracy(infer, **options) -> float:
    found = [(infer(answers), truth) for answers, truth, _ in (crowd(seed, **options) for seed in range(20))]
    return float(np.mean([accuracy(one.posterior, truth) for one, truth in found]))


@EM
@pytest.mark.parametrize("per_task", [4, 5])
def test_expectation_maximisation_is_righter_than_the_vote_on_average(method: str, per_task: int):
    """CROWD-1: 200 tasks, 10 workers."""
    assert mean_accuracy(METHODS[method], per_task=per_task) > mean_accuracy(majority, per_task=per_task)


def test_with_three_answers_to_two_classes_it_takes_a_prior_to_match_the_vote():
    """CROWD-1 at its edge: 60 answers a worker fit a table that takes one of them for infallible."""
    vote = mean_accuracy(majority)
    assert mean_accuracy(dawid_skene) < vote
    assert mean_accuracy(with_prior) > vote - 0.005
    assert mean_accuracy(zencrowd, k=4) > mean_accuracy(majority, k=4)


@EM
def test_the_quality_of_a_worker_with_many_answers_is_found(method: str):
    """CROWD-2, where every worker answers every task."""
    for seed in range(5):
        answers, truth, _ = crowd(seed, n=100, per_task=10)
        right = np.bincount(answers.worker[answers.answer == truth[answers.task]], minlength=answers.n_workers)
        told = METHODS[method](answers).quality
        assert np.abs(told - right / answers.per_worker).max() < 0.1


@EM
def test_golden_tasks_stay_as_they_are_known(method: str):
    """CROWD-5, against a crowd that is wrong about all of them."""
    answers, truth, _ = crowd(0)
    gold = np.where(np.arange(200) < 40, 1 - truth, -1)
    pinned = METHODS[method](replace(answers, gold=gold)).posterior
    np.testing.assert_array_equal(pinned[:40], np.eye(2)[gold[:40]])
    np.testing.assert_allclose(pinned.sum(axis=1), 1)


def test_tables_start_from_golden_tasks_where_a_worker_answered_some():
    """CROWD-5: three right and one wrong of truth 0, with one answer everywhere and one more on the diagonal."""
    answers = Answers([0, 1, 2, 3, 4], [0, 0, 0, 0, 1], [0, 0, 0, 1, 1], 5, 2, 2, np.array([0, 0, 0, 0, -1]))
    tables = starting_tables(answers, np.full((5, 2), 0.5), 0.0)
    np.testing.assert_allclose(tables[0], [[5 / 7, 2 / 7], [1 / 3, 2 / 3]])
    np.testing.assert_allclose(tables[1], [[0, 1], [0, 1]], atol=1e-9)


@ALL
def test_the_order_in_which_answers_came_changes_nothing(method: str):
    answers, _, _ = crowd(3, k=3)
    order = np.random.default_rng(0).permutation(len(answers))
    shuffled = Answers(answers.task[order], answers.worker[order], answers.answer[order], 200, 10, 3)
    np.testing.assert_allclose(METHODS[method](answers).posterior, METHODS[method](shuffled).posterior, atol=1e-9)


@ALL
def test_classes_and_workers_have_no_rank(method: str):
    answers, _, _ = crowd(5, k=3)
    renamed = Answers(answers.task, 9 - answers.worker, (answers.answer + 1) % 3, 200, 10, 3)
    mine, other = METHODS[method](answers).posterior, METHODS[method](renamed).posterior
    np.testing.assert_allclose(mine, np.roll(other, -1, axis=1), atol=1e-6)


@ALL
def test_tasks_and_workers_without_answers_do_no_harm(method: str):
    answers = Answers([0, 0, 0, 2], [0, 1, 3, 1], [1, 1, 0, 0], 4, 5, 2)
    found = METHODS[method](answers)
    assert np.isfinite(found.posterior).all()
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    np.testing.assert_array_equal(np.isnan(found.quality), [False, False, True, False, True])
    assert np.isfinite(METHODS[method](Answers([], [], [], 3, 0, 2)).posterior).all()


def test_a_tie_stays_a_tie_and_counts_half():
    found = majority(Answers([0, 0, 1], [0, 1, 0], [0, 1, 1], 2, 2, 2))
    np.testing.assert_array_equal(found.posterior, [[0.5, 0.5], [0, 1]])
    np.testing.assert_array_equal(found.label, [-1, 1])
    assert accuracy(found.posterior, np.array([0, 1])) == 0.75


def test_one_round_of_zencrowd_is_the_product_of_odds():
    """Votes 1, 1, 0 of workers who are right with 0.8: odds 4 to 1."""
    found = zencrowd(Answers([0, 0, 0], [0, 1, 2], [1, 1, 0], 1, 3, 2), rounds=1)
    np.testing.assert_allclose(found.posterior, [[0.2, 0.8]])
    np.testing.assert_allclose(found.quality, [0.8, 0.8, 0.2])


def test_one_round_of_dawid_and_skene_by_hand():
    """Two tasks, two workers who agree on the first and not on the second."""
    answers = Answers([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1], 2, 2, 2)
    found = dawid_skene(answers, rounds=1)
    prior = np.array([0.75, 0.25])
    one, two = np.array([[1, 0], [1, 0]]), np.array([[2 / 3, 1 / 3], [0, 1]])
    expected = np.array([prior * one[:, 0] * two[:, 0], prior * one[:, 0] * two[:, 1]])
    np.testing.assert_allclose(found.posterior, expected / expected.sum(axis=1, keepdims=True), atol=1e-8)


def test_more_rounds_never_make_answers_and_tables_together_less_probable():
    answers, _, _ = crowd(11, k=3, right=(4, 3))
    told = []
    for rounds in range(1, 30):
        found = dawid_skene(answers, prior_right=0.5, prior_wrong=0.5, rounds=rounds, tolerance=0)
        tables = np.log(found.confusion)
        logs = answers.incidence @ tables.transpose(0, 2, 1).reshape(-1, 3) + np.log(found.posterior.mean(axis=0))
        told.append(logsumexp(logs, axis=1).sum() + 0.5 * tables.sum())
    assert np.diff(told).min() > -1e-9
    assert told[-1] > told[0] + 1


def test_somebody_who_says_the_opposite_is_read_backwards():
    draw = np.random.default_rng(0)
    truth = draw.integers(2, size=100)
    task, worker = np.repeat(np.arange(100), 5), np.tile(np.arange(5), 100)
    quality = np.array([0.9, 0.9, 0.9, 0.9, 0.05])
    answer = np.where(draw.random(500) < quality[worker], truth[task], 1 - truth[task])
    answers = Answers(task, worker, answer, 100, 5, 2)
    for method in ("zencrowd", "dawid_skene", "glad"):
        found = METHODS[method](answers)
        assert found.quality[4] < 0.3
        assert accuracy(found.posterior, truth) > accuracy(majority(answers).posterior, truth)


def test_of_two_who_err_equally_often_the_one_with_more_answers_counts_more():
    """The promise of CATD: a tie between the two is decided by the one of whom more is known."""
    rows = [(i, w, int(w == 3 and i % 4 == 0)) for i in range(40) for w in (0, 1, 3)]
    rows += [(40 + i, w, int(w == 2 and i == 0)) for i in range(4) for w in (0, 1, 2)]
    rows += [(44, 2, 1), (44, 3, 0)]
    columns = np.array(rows).T
    found = catd(Answers(columns[0], columns[1], columns[2], 45, 4, 2))
    assert found.posterior[44, 0] > found.posterior[44, 1]


def test_numbers_out_of_range_are_refused_in_words():
    with pytest.raises(ValueError, match=r"answer must be 0\.\.1, but 0\.\.2"):
        Answers([0, 0], [0, 1], [0, 2], 1, 2, 2)
    with pytest.raises(ValueError, match="gold must hold"):
        Answers([0], [0], [0], 1, 1, 2, np.array([2]))
    with pytest.raises(ValueError, match="1 classes"):
        Answers([], [], [], 0, 0, 1)


def test_dawid_and_skene_over_25_000_answers_take_less_than_0_3_cpu_seconds():
    answers, truth, _ = crowd(0, n=8333, m=176, per_task=3)
    started = time.process_time()
    found = dawid_skene(answers)
    spent = time.process_time() - started
    assert accuracy(found.posterior, truth) > accuracy(majority(answers).posterior, truth)
    assert spent < 0.3 * 3, f"{spent:.2f} CPU s; three times as many are allowed here, since other tests run beside it"


# The other implementation calls pandas in ways that pandas is about to drop.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["barzan", "hitspam_crowdflower"])
@pytest.mark.parametrize(("method", "theirs"), [("dawid_skene", "DawidSkene"), ("glad", "GLAD")])
def test_public_answers_are_read_as_a_second_implementation_reads_them(
    name: str, method: str, theirs: str, shared_data: Path
):
    aggregation = pytest.importorskip("crowdkit.aggregation")
    if method == "glad" and name != "barzan":
        pytest.skip("the other implementation takes a minute for these answers")
    frame = pl.read_parquet(shared_data / f"crowd_{name}_labels.parquet").unique(["worker", "object"], keep="last")
    named = numbered(frame["object"], frame["worker"], frame["label"])
    told = getattr(aggregation, theirs)(n_iter=100).fit_predict(
        frame.rename({"object": "task"}).select("task", "worker", "label").to_pandas()
    )
    label = METHODS[method](named.answers).label
    same = [told[task] == named.classes[one] for task, one in zip(named.tasks, label, strict=True) if one >= 0]
    assert np.mean(same) > 0.98
