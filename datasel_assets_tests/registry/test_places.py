import pytest

from datasel_assets.registry.places import lines_of_keys, with_lines

TEXT = """# a comment with blend.x in it
drop:
  - {when: duplicate}
  - score: n_tokens
    belw: 3
scores:
  x: {how: rank_mean}
narrow: [{sampler: topk, by: blend.x}]
"""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("drop[1]: the key 'belw' is not known; did you mean 'below'?", 5),
        ("drop[1].score: 'n_tokens' is not a score", 4),
        ("drop[1].below.deeper: this key is required", 4),
        ("select: this key is required", None),
        ("scores.x: it is made from itself", 7),
        ("it reads blend.x, which is made only where", 8),
        ("there is no file 'nowhere'", None),
        ("line 9: said already", None),
    ],
)
def test_a_message_is_given_the_line_of_its_key_or_of_the_name_in_it(message: str, line: int | None):
    assert with_lines(TEXT, message) == (f"line {line}: {message}" if line else message)


@pytest.mark.parametrize("text", ["", "a: [", "- 1\n- 2", "just words", "{[x]: 1}", "a: &x 1\nb: *x"])
def test_a_text_of_any_kind_has_lines_or_none(text: str):
    assert all(line >= 1 for line in lines_of_keys(text).values())
    assert with_lines(text, "words of some kind") == "words of some kind"
