"""Foreign text inside Markdown. Belongs here: making text from datasets and registry files inert. Not: the card."""

import unicodedata

_ESCAPES = {character: f"\\{character}" for character in "\\`*_[]{}#|~$!"} | {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
}
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


def one_line(text: object, limit: int = 500) -> str:
    """Return ``text`` on one line, without control, format or bidi-override characters, cut at ``limit`` characters."""
    shown = "".join(" " if _is_hidden(c) else c for c in str(text)[: 4 * limit])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def escape(text: object, limit: int = 500) -> str:
    r"""Return ``text`` so that Markdown shows it as it is: no markup, HTML, link, image, table cell or new line.

    Put it after some other text on the line: a list item or heading needs no special character at a line's start.

    >>> print(escape("a | <b> [x](y)"))
    a \| &lt;b&gt; \[x\](y)
    """
    return "".join(_ESCAPES.get(c, c) for c in one_line(text, limit))


def fenced(text: str, language: str) -> str:
    """Return ``text`` as a code block whose fence is longer than any run of back-ticks inside.

    Characters that a reader cannot see are shown as U+FFFD: a bidi override would turn the letters after it around.
    """
    text = "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(c) and c not in "\n\t" else c for c in text)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _is_hidden(character: str) -> bool:
    """Tell whether a character is a control, format, private, or line separator character."""
    return unicodedata.category(character) in _HIDDEN


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
