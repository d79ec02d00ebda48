"""What a document is, and what is drawn out of one. Belongs here: both shapes. Does not: any rule."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A text with its title; Markdown, reStructuredText or plain."""

    title: str
    text: str


@dataclass(frozen=True)
class Drawn:
    """A row that was drawn out of a document.

    Attributes:
        prompt: what is asked.
        response: the answer, in the words of the document.
        start: of the span of the document that it comes from, in characters.
        stop: its end; ``text[start:stop]`` holds the response.
        rule: that found it.
    """

    prompt: str
    response: str
    start: int
    stop: int
    rule: str
