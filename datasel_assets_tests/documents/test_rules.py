import pytest

from datasel_assets.documents.blocks import blocks
from datasel_assets.documents.document import Document
from datasel_assets.documents.html_text import html_text
from datasel_assets.documents.rules import RULES, draw

MARKDOWN = """# Brewing

A mash is a mixture of crushed malt and hot water that rests for an hour or so.

## Why does it rest?

Enzymes need that time to turn the starch of the malt into sugar, which yeast can eat.

To weigh the malt:

```python
def weigh(bags):
    \"\"\"Return the weight of all bags in kilograms.\"\"\"
    return sum(bag.kilograms for bag in bags)
```

Q: How hot is the water?
A: About 67 degrees.

### Example 4

Three bags of 5 kg are mashed. How much malt is that?

**Solution.** 3 times 5 kg are 15 kg.
"""
RESTRUCTURED = """Sieves
======

A sieve is a tool that holds back what is larger than its holes, and lets the rest fall.

Use one::

    sieve(flour)

.. code-block:: python

    shake()
"""
PLAIN = (
    "Rates and Ratios\n"
    "A ratio compares two numbers by division, and it is most often written as a fraction, with a colon, or in a few "
    "plain words.\n"
    "Is 4:2 the same ratio as 2:1?\nYes: both are two.\n"
)


def by_rule(text: str, title: str = "Brewing") -> dict[str, list]:
    found: dict[str, list] = {}
    for row in draw(Document(title, text)):
        found.setdefault(row.rule, []).append(row)
    return found


def test_each_rule_draws_what_it_is_for():
    found = by_rule(MARKDOWN)
    assert [(row.prompt, row.response[:12]) for row in found["definitions"]] == [("What is a mash?", "A mash is a ")]
    assert ("Why does it rest?", "Enzymes need") in [(row.prompt, row.response[:12]) for row in found["headings"]]
    assert ("How hot is the water?", "About 67 degrees.") in [(row.prompt, row.response) for row in found["questions"]]
    (worked,) = found["worked_examples"]
    assert worked.prompt.endswith("Three bags of 5 kg are mashed. How much malt is that?")
    assert worked.response == "3 times 5 kg are 15 kg."
    asked = [row.prompt for row in found["code"]]
    assert asked[0] == "To weigh the malt (Brewing)."
    assert asked[1].startswith("Write the Python function `weigh(bags)`.\n\nReturn the weight")
    assert "Return the weight" not in found["code"][1].response


def test_restructured_and_plain_text_have_headings_and_code_too():
    parts = blocks(RESTRUCTURED)
    assert [(part.kind, part.text) for part in parts if part.kind != "paragraph"] == [
        ("heading", "Sieves"),
        ("code", "sieve(flour)"),
        ("code", "shake()"),
    ]
    assert parts[-1].language == "python"
    found = by_rule(PLAIN, "Numbers")
    assert found["headings"][0].prompt == "Explain “Rates and Ratios” in the context of “Numbers”."
    assert [(row.prompt, row.response) for row in found["questions"]] == [
        ("Is 4:2 the same ratio as 2:1?", "Yes: both are two.")
    ]


@pytest.mark.parametrize("text", [MARKDOWN, RESTRUCTURED, PLAIN])
def test_the_span_of_a_row_is_where_its_words_stand(text: str):
    rows = draw(Document("t", text))
    assert rows
    for row in rows:
        span = text[row.start : row.stop]
        words = row.response.replace("```python", "").replace("```", "").split()
        assert set(words) <= set(span.replace("**Solution.**", "").split()) | {"#"}
        assert 0 <= row.start < row.stop <= len(text)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# ", "```", "A", "Q:\nA:\n", "====\n====", "   code", ".. code::", "\t", "?\n?"]
)
@pytest.mark.parametrize("rule", list(RULES))
def test_a_document_without_anything_to_draw_gives_no_row(rule: str, text: str):
    assert draw(Document("", text), [rule]) == []


def test_a_response_of_many_pages_is_left_out_and_not_cut():
    text = "# Long\n\n" + "word " * 2000
    assert draw(Document("", text)) == []
    assert len(draw(Document("", text), longest=20_000)) == 1


def test_a_page_becomes_the_text_that_its_reader_sees():
    page = (
        "<html><head><title>Hops &amp; malt</title><style>p{}</style></head><body><nav>home</nav><h1>Hops</h1>"
        "<p>Hops are the\n flowers of a plant.</p><script>alert(1)</script><pre>a\n  b</pre></body></html>"
    )
    title, text = html_text(page)
    assert title == "Hops & malt"
    assert text == "# Hops\n\nHops are the flowers of a plant.\n\n```\na\n  b\n```"
