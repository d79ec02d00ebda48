import json

import numpy as np
import pytest

from datasel_assets.bandits.probe_rounds import ProbeRounds
from datasel_assets.bandits.ucb import Ucb

CLUSTERS, SIZE = 12, 60
GOOD = {2, 7, 9}


def worth(arm: int, member: int) -> float:
    """Influence of a member: good clusters .01, others -.01, with noise that depends on the member alone."""
    noise = np.random.default_rng([arm, member]).normal(0, 0.004)
    return (0.01 if arm in GOOD else -0.01) + noise


def begun(threshold: float = 0.002, accept: int = 20, **bandit) -> ProbeRounds:
    return ProbeRounds([SIZE] * CLUSTERS, Ucb(CLUSTERS, **bandit), arms=3, probe=5, accept=accept, threshold=threshold)


def one_round(rounds: ProbeRounds) -> None:
    found = [(arm, at, np.mean([worth(arm, m) for m in range(at.start, at.stop)])) for arm, at in rounds.propose()]
    rounds.settle(found)


def played(rounds: ProbeRounds, many: int) -> ProbeRounds:
    for _ in range(many):
        one_round(rounds)
    return rounds


def accepted(rounds: ProbeRounds) -> dict[int, int]:
    found: dict[int, int] = {}
    for each in rounds.tries:
        found[each.arm] = found.get(each.arm, 0) + each.end - each.start
    return found


def test_what_is_accepted_comes_from_the_planted_clusters():
    found = accepted(played(begun(), 8))
    good = sum(found.get(arm, 0) for arm in GOOD)
    assert good / sum(found.values()) > 0.9
    assert good == len(GOOD) * SIZE


def test_an_infinite_threshold_accepts_nothing():
    rounds = played(begun(threshold=np.inf), 8)
    assert sum(accepted(rounds).values()) == 0
    assert not any(each.accepted for each in rounds.tries)


def test_no_member_is_looked_at_or_accepted_twice_and_an_exhausted_cluster_is_left_alone():
    rounds = played(begun(accept=0), 400)
    assert rounds.looked_at == CLUSTERS * SIZE
    assert rounds.propose() == []
    for arm in range(CLUSTERS):
        places = [(each.start, max(each.stop, each.end)) for each in rounds.tries if each.arm == arm]
        assert [start for start, _ in places] == [0, *(end for _, end in places[:-1])]
        assert places[-1][1] == SIZE


def test_the_last_round_of_a_budget_looks_at_no_more_than_is_left():
    rounds = begun()
    assert [(at.stop - at.start) for _, at in rounds.propose(12)] == [5, 5, 2]
    assert rounds.propose(0) == []


def test_a_try_without_a_measure_has_its_price_and_earns_the_worst_reward():
    rounds = begun()
    (first, at), (second, there), (third, here) = rounds.propose()
    tries = rounds.settle([(first, at, float("nan")), (second, there, -0.5), (third, here, float("nan"))])
    assert [each.reward for each in tries] == [0.0, -0.5, -0.5]
    assert [each.measured for each in tries] == [False, True, False]
    assert rounds.looked_at == 15
    assert rounds.bandit.pulls.sum() == 3


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_rounds_that_go_on_from_a_written_state_look_at_the_same_members(cut: int):
    whole = played(begun(seed=2), 8)
    first = played(begun(seed=2), cut)
    second = begun(seed=2)
    second.restore(json.loads(json.dumps(first.state())))
    assert played(second, 8 - cut).state() == whole.state()
