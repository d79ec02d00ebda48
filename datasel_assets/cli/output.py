"""What several commands print: the console, and what failed. Not here: progress (``progress_display``)."""

import os
from typing import IO, TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from datasel_assets.tables.refresh import Outcome


def open_console(file: IO[str] | None = None) -> "Console":
    """Return a console that shows text verbatim.

    Paths and error messages are not written here: their brackets are not markup, their colons not emoji. Colour is
    given by ``style`` alone.
    """
    from rich.console import Console

    return Console(file=file, markup=False, emoji=False, highlight=False)


def outside_steps(stream: TextIO) -> TextIO:
    """Return a stream to where ``stream`` goes now, which Dagster does not divert into the log of a running step.

    A stream that has no file of its own (a notebook, a test) is returned as it is.
    """
    try:
        return os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors=stream.errors, buffering=1)
    except (OSError, ValueError):
        return stream


def print_failures(console: "Console", outcome: "Outcome", again: str) -> None:
    """Say what failed, why, what could not be made without it, and that the command ``again`` continues from there.

    What failed alike stands together, and the reason is said once.
    """
    from rich.text import Text

    for error in dict.fromkeys(failure["error"] for failure in outcome.failures):
        for failure in (failure for failure in outcome.failures if failure["error"] == error):
            what = f"{failure['source'] or 'whole pool'} ({', '.join(failure['assets'])})"
            console.print(Text.assemble(("failed", "bold red"), " ", what), soft_wrap=True)
        console.print(f"  {error}", soft_wrap=True)
    if outcome.waiting:
        names = dict.fromkeys(asset.name for asset, _ in outcome.waiting)
        console.print(f"  not made, because they need what failed: {', '.join(names)}", soft_wrap=True)
    if outcome.failures:
        said = "what was published before is still there; fix the cause and run again:"
        console.print(f"  {said} {again}", soft_wrap=True)
