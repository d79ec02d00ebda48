"""Foreign text on the console."""

from io import StringIO

from datasel_assets.cli.output import open_console, print_failures
from datasel_assets.tables.refresh import Outcome


def test_what_failed_alike_is_listed_and_the_reason_said_once():
    file = StringIO()
    failures = [
        {"source": name, "assets": ["corpus"], "success": False, "error": error}
        for name, error in (("a", "no disk"), ("b", "no file"), ("c", "no disk"), ("d", "no disk"))
    ]
    print_failures(open_console(file), Outcome(failures), "datasel run")
    lines = [line.strip() for line in file.getvalue().splitlines()]
    assert lines[:6] == [*(f"failed {name} (corpus)" for name in "acd"), "no disk", "failed b (corpus)", "no file"]


def test_the_message_of_a_failure_is_shown_to_the_letter():
    file = StringIO()
    message = "select: [/red] is not allowed; use list[str] or [bold] :smile:"
    outcome = Outcome([{"source": None, "assets": ["toy"], "success": False, "error": message}])
    print_failures(open_console(file), outcome, "datasel --data '[/red]' run")
    assert message in file.getvalue()
    assert "run again: datasel --data '[/red]' run" in file.getvalue()
    assert "failed whole pool (toy)" in file.getvalue()
