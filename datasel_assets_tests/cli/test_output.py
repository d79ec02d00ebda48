"""Foreign text on the console."""

from io import StringIO

from datasel_assets.cli.output import open_console, print_failures
from datasel_assets.defs.main_job import Outcome


def test_the_message_of_a_failure_is_shown_to_the_letter():
    file = StringIO()
    message = "select: [/red] is not allowed; use list[str] or [bold] :smile:"
    outcome = Outcome([{"source": None, "assets": ["toy"], "success": False, "error": message}])
    print_failures(open_console(file), outcome, "datasel --data '[/red]' run")
    assert message in file.getvalue()
    assert "run again: datasel --data '[/red]' run" in file.getvalue()
    assert "failed whole pool (toy)" in file.getvalue()
