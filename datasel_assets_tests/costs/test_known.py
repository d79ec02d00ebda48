"""What a step is expected to take: records here give the level, the reference the shape."""

import pytest

from datasel_assets.costs.known import ELSEWHERE, HERE, KIND, KnownCosts, Measured
from datasel_assets.costs.line import Line
from datasel_assets.costs.plan import NEVER
from datasel_assets.costs.reference import Reference, reference
from datasel_assets.costs.step_cost import Cost, StepCost, Work

FREE = Line(0, 0)


def step(fixed: float, rate: float, *, per: str = "rows", exponent: float = 1.0) -> StepCost:
    lines = {"seconds": Line(fixed, rate), "cpu_seconds": Line(2 * fixed, 2 * rate), "memory_mb": FREE}
    return StepCost(per, exponent, {**lines, "bytes_written": Line(0, 1000)})  # type: ignore[arg-type]


REFERENCE = Reference(
    "by hand",
    {
        "text": step(1, 2),
        "near": step(0, 1, exponent=2),
        "model": step(0, 3, per="tokens"),
        "encoder": step(0, 3, per="encoded"),
        "selections/a": step(0, 1),
        "selections/b": step(0, 3),
        "target": step(5, 0, per="nothing"),
    },
    start_mb=200,
    before_mb=1000,
    between_seconds=0.1,
    between_cpu_seconds=0.1,
)


def rows(n: float) -> Work:
    return Work(n, 10 * n, 5 * n)


def record(stage: str, n: int, seconds: float, *, source: str | None = None, **more) -> Measured:
    return Measured(stage, source, rows(n), rows(n), Cost(seconds, 2 * seconds, 0, 1000 * n), **more)


@pytest.mark.parametrize(
    ("stage", "seconds"),
    [("text", 1 + 2 * 4), ("near", 4**2), ("model", 120), ("encoder", 60), ("target", 5), ("selections/a", 4)],
)
def test_a_first_run_is_told_from_the_reference(stage: str, seconds: float):
    expected = KnownCosts([], REFERENCE).expected(stage, rows(4000), rows(4000))
    assert (expected.cost.seconds, expected.basis) == (pytest.approx(seconds), ELSEWHERE)
    assert expected.cost.cpu_seconds == pytest.approx(2 * seconds)


def test_a_step_that_was_measured_here_keeps_its_level_and_takes_the_shape_of_the_reference():
    known = KnownCosts([record("text", 1000, 6.0)], REFERENCE)
    expected = known.expected("text", rows(4000), rows(4000))
    assert (expected.cost.seconds, expected.basis) == (pytest.approx(6 / 3 * 9), HERE)


def test_the_speed_of_this_machine_is_that_of_the_steps_it_has_made():
    known = KnownCosts([record("text", 1000, 6.0)], REFERENCE)
    assert known.expected("target", rows(1), rows(1)).cost.seconds == pytest.approx(2 * 5)


def test_a_step_that_the_reference_lacks_goes_with_its_rows():
    known = KnownCosts([record("mine", 1000, 7.0)], REFERENCE)
    assert known.expected("mine", rows(3000), rows(3000)).cost.seconds == pytest.approx(21)


def test_a_step_that_was_never_measured_is_taken_for_the_mean_of_its_kind():
    expected = KnownCosts([], REFERENCE).expected("selections/new", rows(1000), rows(1000))
    assert (expected.cost.seconds, expected.basis) == (pytest.approx(2), KIND)


def test_a_step_of_which_nothing_is_known_costs_nothing_and_says_so():
    expected = KnownCosts([], REFERENCE).expected("strange", rows(1000), rows(1000))
    assert (expected.cost.seconds, expected.basis) == (0, NEVER)


def test_an_increment_of_few_rows_does_not_hide_what_the_whole_cost():
    records = [record("text", 4000, 18.0, source="a"), *[record("text", 1, 5.0, source="a")] * 3]
    assert KnownCosts(records, REFERENCE).expected("text", rows(4000), rows(4000)).cost.seconds == pytest.approx(18)


def test_seconds_go_with_new_rows_and_bytes_with_all_of_them():
    cost = KnownCosts([], REFERENCE).expected("text", rows(1000), rows(8000)).cost
    assert (cost.seconds, cost.bytes_written) == (pytest.approx(3), pytest.approx(8000))


def test_seconds_of_a_gpu_are_known_only_where_one_was_used():
    known = KnownCosts([record("model", 1000, 60.0, gpu_seconds=60.0)], REFERENCE)
    assert known.expected("model", rows(2000), rows(2000), gpu=True).gpu_seconds == pytest.approx(120)
    assert known.expected("model", rows(2000), rows(2000)).gpu_seconds == 0
    assert known.expected("selections/a", rows(2000), rows(2000), gpu=True).gpu_seconds is None


def test_what_a_run_loads_once_counts_for_its_first_source_alone():
    once = StepCost("rows", 1.0, REFERENCE.steps["text"].lines, {"seconds": 4.0})
    known = KnownCosts([], Reference("by hand", {"text": once}, 0, 0, 0, 0))
    first, later = (known.expected("text", rows(1000), rows(1000), first=is_first).cost for is_first in (True, False))
    assert (first.seconds, later.seconds) == (pytest.approx(7), pytest.approx(3))
    assert first.cpu_seconds == later.cpu_seconds


def test_memory_begins_where_the_process_was_before():
    assert KnownCosts([], REFERENCE).before_mb(models=True) == 1000
    assert KnownCosts([], REFERENCE).before_mb(models=False) == 200
    assert KnownCosts([record("text", 10, 1.0, before_mb=700.0)], REFERENCE).before_mb(models=True) == 700


def test_the_shipped_reference_tells_how_it_was_measured_and_its_costs_come_back_from_the_file():
    known = reference()
    assert "step_costs" in known.how
    assert {"corpus", "scores/text", "catalog"} <= set(known.steps)
    five = rows(5000)
    for cost in known.steps.values():
        again = StepCost.of_plain(cost.plain())
        assert again.at(five, five).seconds == pytest.approx(cost.at(five, five).seconds, rel=1e-3)
        assert again.at(five, five).cpu_seconds > 0
