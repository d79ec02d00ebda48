"""Text from data made fit to be shown. Belongs here: cutting and neutralising one string. Not: tables, pages, pictures.

``clean`` is for places that show text as it is (table cells, labels of plots, logs); ``plain`` for places that render
Markdown or HTML (descriptions, Markdown metadata, reports).
"""

import re
import unicodedata

_ELLIPSIS = "…"
_JOINERS = "\u200c\u200d"  # They shape words of Indic scripts and emoji: format characters that text may keep.
_WORD_JOINER = "\u2060"
# Entities are literal text to Markdown wherever they stand, also inside an HTML block, where backslashes are not.
_MARKUP = {ord(c): f"&#{ord(c)};" for c in "\\`*_{}[]|~$\"'"} | {
    ord(c): e for c, e in zip("&<>", ("&amp;", "&lt;", "&gt;"), strict=True)
}
_BLOCK_START = re.compile(r"^(?:#|[-+=:]|\d+[.)])")
# A renderer links these by itself, brackets or not.
_AUTOLINK = re.compile(
    r"(?i)(\b[a-z][a-z0-9+]*:)(?=//)|(\bwww)(?=\.)|(?<=[-.\w+])()(?=@)|(\b(?:mailto|xmpp|javascript|data):)"
)
_STACKED_MARKS = re.compile(r"([\u0300-\u036f]{3})[\u0300-\u036f]+")


def clean(text: object, limit: int = 200) -> str:
    r"""Return ``text`` on one line, without characters that act instead of showing, at most ``limit`` characters long.

    White space of any kind becomes one space. Control, bidirectional, other format, surrogate, private and unassigned
    characters are dropped (a right-to-left override can make a label lie), stacks of combining marks are cut to three.

    Args:
        text: anything; ``str`` is applied.
        limit: characters kept; a longer text ends in an ellipsis.

    >>> clean("a\n\tb\u202ec", 10)
    'a bc'
    >>> clean("abcdef", 4)
    'abc…'
    """
    if limit < 1:
        raise ValueError(f"limit is {limit}: keep at least one character")
    text = str(text)
    # A row may hold 50 MB: look at a bounded head only.
    window = 8 * limit + 64
    head = " ".join(text[:window].split())
    shown = "".join(c for c in head if c == " " or c in _JOINERS or unicodedata.category(c)[0] != "C")
    shown = " ".join(_STACKED_MARKS.sub(r"\1", shown).split())
    if len(shown) > limit or len(text) > window:
        return shown[: limit - 1].rstrip() + _ELLIPSIS
    return shown


def plain(text: object, limit: int = 200) -> str:
    """Return ``clean(text, limit)`` such that a Markdown or HTML renderer shows these characters and nothing else.

    Markup characters become entities, a block marker at the start too (``#``, ``-``, ``1.``), and an invisible word
    joiner keeps addresses from turning into links.

    >>> plain("<b>*x*</b>")
    '&lt;b&gt;&#42;x&#42;&lt;/b&gt;'
    """
    shown = _AUTOLINK.sub(lambda match: match.group(0) + _WORD_JOINER, clean(text, limit))
    start = _BLOCK_START.match(shown)
    if start:
        marker = start.end() - 1
        return shown[:marker] + f"&#{ord(shown[marker])};" + shown[marker + 1 :].translate(_MARKUP)
    return shown.translate(_MARKUP)
