"""What asking will take, told before anything is sent.

Belongs here: estimates, and limits that they exceed. Does not: counting what was spent (``storage.replies``).
"""

from dataclasses import dataclass

from datasel_assets.specs.answers import AnswersSpec, EndpointSpec

SECONDS_PER_TOKEN = 0.02
SECONDS_PER_REQUEST = 0.5
"""What a hosted model takes, where none of its replies is known yet."""


@dataclass(frozen=True)
class Plan:
    """What asking will take.

    Attributes:
        rows: asked about.
        requests: in all.
        kept: of these, how many have a reply already.
        tokens_in: of the prompts that will be sent.
        tokens_out: of their replies, at most.
        money: at most.
        minutes: about; None where nothing is known of the model's pace.
        sampled: requests that the figures were taken from; fewer than ``requests`` where these are many.
        spent_tokens: that were spent before.
        spent_money: that was.
    """

    rows: int
    requests: int
    kept: int
    tokens_in: int
    tokens_out: int
    money: float
    minutes: float | None
    sampled: int
    spent_tokens: int = 0
    spent_money: float = 0.0

    @property
    def to_send(self) -> int:
        """Requests that have no reply yet."""
        return self.requests - self.kept


def above_limits(plan: Plan, spec: AnswersSpec) -> list[str]:
    """Return in words which limits a plan is above.

    Tokens and money are those of the file as a whole, with what was spent before.
    """
    limits, tokens = spec.limits, plan.spent_tokens + plan.tokens_in + plan.tokens_out
    money = plan.spent_money + plan.money
    found = []
    if limits.rows is not None and plan.rows > limits.rows:
        found.append(f"{plan.rows:,} rows, and limits.rows is {limits.rows:,}")
    if plan.to_send and limits.tokens is not None and tokens > limits.tokens:
        found.append(f"up to {tokens:,} tokens in all, and limits.tokens is {limits.tokens:,}")
    if plan.to_send and limits.money is not None and money > limits.money:
        found.append(f"up to {money:.4g} in all, and limits.money is {limits.money:g}")
    if limits.minutes is not None and plan.minutes is not None and plan.minutes > limits.minutes:
        found.append(f"about {plan.minutes:.3g} minutes, and limits.minutes is {limits.minutes:g}")
    return found


def minutes(
    spec: AnswersSpec, requests: int, tokens_in: float, tokens_out: float, latency: float | None
) -> float | None:
    """Return about how long so many requests take.

    Args:
        spec: provider and its pace.
        requests: to be sent.
        tokens_in: of all their prompts.
        tokens_out: of all their replies.
        latency: mean seconds of a reply so far, None where there is none.
    """
    provider = spec.provider
    if not requests:
        return 0.0
    if not isinstance(provider, EndpointSpec):
        return None if latency is None else requests * latency / 60
    if latency is None:
        latency = SECONDS_PER_REQUEST + SECONDS_PER_TOKEN * tokens_out / requests
    found = requests * latency / provider.concurrency / 60
    if provider.requests_per_minute:
        found = max(found, requests / provider.requests_per_minute)
    if provider.tokens_per_minute:
        found = max(found, (tokens_in + tokens_out) / provider.tokens_per_minute)
    return found


def told(plan: Plan, name: str) -> list[str]:
    """Return a plan in lines."""
    about = "" if plan.sampled >= plan.requests else f"  (from {plan.sampled:,} of them)"
    length = "not known before the first replies" if plan.minutes is None else f"about {plan.minutes:.3g}"
    return [
        f"{name}: {plan.rows:,} rows, {plan.requests:,} requests, {plan.kept:,} of them answered already",
        f"  to send   {plan.to_send:,} requests{about}",
        f"  tokens    {plan.tokens_in:,} in, at most {plan.tokens_out:,} out",
        f"  cost      at most {plan.money:.4g}  (spent so far: {plan.spent_money:.4g})",
        f"  minutes   {length}",
    ]
