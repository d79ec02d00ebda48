"""Plans added up, compared with what was, and held against limits."""

import json

import pytest

from datasel_assets.costs.limits import LIMITS, AboveLimitsError, above_limits, require_within
from datasel_assets.costs.plan import NEVER, Plan, PlanLine, compare, in_words
from datasel_assets.specs.compute import RunLimits


def line(stage: str, source: str | None = None, **figures) -> PlanLine:
    known = {"rows": 10, "tokens": 100, "bytes_read": 5, "bytes_written": 2_000_000_000, "memory_mb": 512.0}
    times = {"cpu_seconds": 7200.0, "gpu_seconds": 0.0, "seconds": 3600.0, "basis": "reference"}
    return PlanLine(stage, source, "missing", **(known | times | figures))  # type: ignore[arg-type]


PLAN = Plan([line("a", "x"), line("a", "y", seconds=7200.0), line("b", memory_mb=2048.0, tokens=0)], [], 60.0, 30.0)


def test_totals_add_up_and_memory_is_the_largest():
    totals = PLAN.totals
    assert (totals.steps, totals.tokens, totals.bytes_written) == (3, 200, 6_000_000_000)
    assert (totals.seconds, totals.cpu_seconds) == (3600 + 7200 + 3600 + 60, 3 * 7200 + 30)
    assert totals.memory_mb == 2048


def test_a_plan_comes_back_from_its_file():
    assert Plan.of_plain(json.loads(json.dumps(PLAN.plain()))) == PLAN


def test_a_limit_that_a_plan_is_above_is_told_with_the_steps_that_cost_the_most():
    (problem,) = above_limits(PLAN, {"hours": 3.5, "written_gb": 6.0})
    assert problem == "hours: 4.02 are expected, 3.5 are allowed; the most in a of y (2), a of x (1), b (1)"


def test_a_run_above_a_limit_is_refused_with_the_file_that_says_so():
    with pytest.raises(AboveLimitsError, match=r"above the limits of compute\.yaml: memory_gb: 2 are expected, 1 are"):
        require_within(PLAN, {"memory_gb": 1.0}, "compute.yaml")
    require_within(PLAN, {"memory_gb": 2.0}, "compute.yaml")


def test_every_limit_of_the_file_is_held_against_the_plan():
    assert set(RunLimits.model_fields) == set(LIMITS)
    nothing = dict.fromkeys(LIMITS, 1e-9)
    plan = Plan([line("a", gpu_seconds=5.0)])
    assert [problem.split(":")[0] for problem in above_limits(plan, nothing)] == list(LIMITS)


def test_forecast_and_actual_stand_side_by_side_for_what_was_made():
    was = {"seconds": 5400.0, "cpu_seconds": 7200.0, "bytes_written": 10, "peak_rss_mb": 600.0}
    records = [{"stage": "a", "source": "x", **was}, {"stage": "b", "source": None, **was}, {"stage": "c", **was}]
    first, second, whole = compare(PLAN, records)
    assert (first.stage, first.steps, second.stage) == ("a", 1, "b")
    assert first.factor("seconds") == pytest.approx(1.5)
    assert (whole.steps, whole.forecast["seconds"], whole.actual["seconds"]) == (2, 7200, 10800)
    assert (whole.forecast["memory_mb"], whole.actual["memory_mb"]) == (2048, 600)
    assert compare(PLAN, []) == []


def test_the_sentence_says_how_much_of_a_plan_is_not_known():
    said = in_words(Plan([line("a"), line("b", basis=NEVER, seconds=0.0)]))
    assert said == (
        "expected: 2 steps, about 60 min (4.0 h of CPU), 0.5 GB of memory, 4,000 MB to write, 200 tokens to read by "
        "models; 1 of the steps have never been measured and count for nothing"
    )
