"""HTML as text: what a reader of the page sees, with headings and code marked as in Markdown. Not here: any rule."""

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    ("p", "div", "li", "tr", "section", "article", "table", "ul", "ol", "dl", "dt", "dd", "br", "blockquote", "figure")
)
_UNSEEN = frozenset(("script", "style", "head", "template", "noscript", "nav", "footer"))


def html_text(source: str) -> tuple[str, str]:
    r"""Return (title, text) of a page; scripts, styles, navigation and the head are left out.

    >>> html_text("<title>T</title><h2>Why?</h2><p>Because  of\n it.</p><pre>x = 1</pre>")
    ('T', '## Why?\n\nBecause of it.\n\n```\nx = 1\n```')
    """
    reader = _Reader()
    reader.feed(source)
    reader.close()
    text = re.sub(r"[ \t]+\n", "\n", "".join(reader.found))
    return " ".join("".join(reader.title).split()), re.sub(r"\n{3,}", "\n\n", text).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.title: list[str] = []
        self._unseen = self._code = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        elif tag in _UNSEEN:
            self._unseen += 1
        elif tag == "pre":
            self._code += 1
            self.found.append("\n\n```\n")
        elif re.fullmatch("h[1-6]", tag):
            self.found.append("\n\n" + "#" * int(tag[1]) + " ")
        elif tag == "br":
            self.found.append("\n")
        elif tag in _BLOCKS and not self._code:
            self.found.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "pre" and self._code:
            self._code -= 1
            self.found.append("\n```\n\n")
        elif (re.fullmatch("h[1-6]", tag) or tag in _BLOCKS) and not self._code:
            self.found.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._unseen:
            self.found.append(data if self._code else re.sub(r"\s+", " ", data))
