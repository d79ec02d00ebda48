"""What whoever answers questions has in common. Belongs here: the contract. Does not: any provider (a file each)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Request


class ProviderError(RuntimeError):
    """Whoever is asked cannot answer at all; the message says why and what to do. Replies that came before are kept."""


class Provider(Protocol):
    """Answers requests."""

    def ask(self, requests: Iterable[Request], told: Callable[[Request, Reply], Sequence[Request]]) -> None:
        """Answer requests in any order.

        Args:
            requests: asked for one after the other, so that whoever gives them can end them.
            told: called with each request and its reply, also with one that failed; what it returns is asked too.

        Raises:
            ProviderError: nothing can be answered.
        """
        ...
