"""What a run may cost at most, held against its plan. Not here: the file that says it (``specs.compute``)."""

from collections.abc import Mapping

from datasel_assets.costs.plan import Plan, PlanLine

NAMED = 3
"""Steps that an error names: those that cost the most."""

LIMITS: Mapping[str, tuple[str, float]] = {
    "hours": ("seconds", 3600.0),
    "cpu_hours": ("cpu_seconds", 3600.0),
    "gpu_hours": ("gpu_seconds", 3600.0),
    "memory_gb": ("memory_mb", 1024.0),
    "read_gb": ("bytes_read", 1e9),
    "written_gb": ("bytes_written", 1e9),
    "tokens": ("tokens", 1.0),
}
"""Limit -> the quantity of a plan that it holds for, and how many of its units make one of the limit's."""


class AboveLimitsError(ValueError):
    """A run would cost more than it may."""


def above_limits(plan: Plan, limits: Mapping[str, float | None]) -> list[str]:
    """Return a sentence for each limit that a plan is above, with the steps that cost the most of it."""
    problems = []
    for name, (quantity, unit) in LIMITS.items():
        allowed = limits.get(name)
        expected = float(getattr(plan.totals, quantity)) / unit
        if allowed is None or expected <= allowed:
            continue
        most = sorted(plan.lines, key=lambda line: -_of(line, quantity))[:NAMED]
        steps = ", ".join(f"{_name(line)} ({_of(line, quantity) / unit:,.3g})" for line in most)
        problems.append(f"{name}: {expected:,.3g} are expected, {allowed:,.3g} are allowed; the most in {steps}")
    return problems


def require_within(plan: Plan, limits: Mapping[str, float | None], file: str) -> None:
    """Refuse a plan that is above a limit.

    Raises:
        AboveLimitsError: names each limit, the steps that cost the most, and the file in which it stands.
    """
    if problems := above_limits(plan, limits):
        raise AboveLimitsError(
            f"the run is not started, because it is above the limits of {file}: {'; '.join(problems)}. Raise the limit "
            "there, or ask for less; `datasel plan` shows every step"
        )


def _of(line: PlanLine, quantity: str) -> float:
    return getattr(line, quantity) or 0.0


def _name(line: PlanLine) -> str:
    return f"{line.stage} of {line.source}" if line.source else line.stage
