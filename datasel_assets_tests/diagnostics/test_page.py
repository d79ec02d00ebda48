"""The templates of the HTML pages, by themselves: whatever text a slot is given, it is shown as text."""

import re
from dataclasses import astuple
from functools import partial

import numpy as np
import polars as pl
import pytest

from datasel_assets.diagnostics import comparison_report, report
from datasel_assets.diagnostics.churn import churn
from datasel_assets.diagnostics.measures import Measure
from datasel_assets.diagnostics.page import Table, templates
from datasel_assets.diagnostics.recommend import Advice
from datasel_assets.diagnostics.spread import Spread
from datasel_assets_tests.diagnostics.test_report import Page

HOSTILE = "</title></style><script>alert(1)</script>'\"><img src=x onerror=alert(1)>&lt;{{ 1 }}{% raw %}"
FRAME = pl.DataFrame({"recipe": ["random", "mig"], "a long text": ["x" * 40, "line\nline"], "rows": [1, 2]})
GIVEN = {"title": "pool", "summary": "in a sentence", "pictures": [(b"png", "a picture")], "footer": "version 1"}
PAGES = {
    "report.html.j2": partial(
        report.html_report,
        recipe="select: x",
        facts={"licence": "mit"},
        **dict.fromkeys(("stages", "kept", "dropped", "comparison"), FRAME),
        highlight="mig",
        **GIVEN,
    ),
    "comparison.html.j2": partial(
        comparison_report.comparison_html,
        figures=FRAME.with_columns(vendi=pl.Series([2.0, 1.0]), reward=pl.Series([0.1, 0.2])),
        facts={"licence": "mit"},
        extra=[Measure("reward", "mean reward", "high", "of a reward model", "quality")],
        overlap=(["random", "mig"], np.eye(2)),
        churns={"mig": churn(["a"], ["b"])},
        versions=FRAME,
        examples={"mig": FRAME},
        advice=[Advice("toward code", "mig", "it is near", "gives up much")],
        spread=Spread(10, {"vendi": 2.0}, {"vendi": 0.1}),
        **GIVEN,
    ),
}


def values(name: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What the page gives its template, every slot filled."""
    found = {}
    for module in (report, comparison_report):
        monkeypatch.setattr(module, "render", lambda template, **given: found.update({template: given}) or "")
    PAGES[name]()
    return found[name]


def with_hostile_text(value, made: list[str]):
    """The same shape with a hostile text of its own in place of each text, also of classes; ``made`` collects them."""
    if isinstance(value, str) and value:
        made.append(f"{HOSTILE}{len(made)};")
        return made[-1]
    if isinstance(value, dict):
        return {with_hostile_text(key, made): with_hostile_text(each, made) for key, each in value.items()}
    if isinstance(value, Advice):
        return Advice(*(with_hostile_text(each, made) for each in astuple(value)))
    if isinstance(value, Table):
        return Table(*(with_hostile_text(each, made) for each in value))
    if isinstance(value, list | tuple):
        return [with_hostile_text(each, made) for each in value]
    return value


@pytest.mark.parametrize("name", PAGES)
def test_hostile_text_in_every_slot_of_a_template_is_shown_as_that_text(name, monkeypatch):
    made = []
    given = values(name, monkeypatch)
    hostile = {key: with_hostile_text(value, made) for key, value in given.items()}
    template = templates().get_template(name)
    text = template.render(hostile)
    page, oracle = Page(text), Page(template.render(given))
    assert page.tags == oracle.tags
    assert page.open == []
    assert [name for name, _ in page.attributes] == [name for name, _ in oracle.attributes]
    shown = "|".join([*page.texts, *(value for _, value in page.attributes)])
    assert len(made) > 30
    assert [slot for slot in made if slot not in shown] == []
    own = templates().get_template("tables.js").render()
    assert not re.search(r"<script|<img src=x", text.replace(f"<script>{own}</script>", ""))


@pytest.mark.parametrize("name", PAGES)
def test_a_value_that_a_template_is_not_given_is_an_error_and_no_gap(name, monkeypatch):
    from jinja2 import StrictUndefined, UndefinedError

    given = values(name, monkeypatch)
    template = templates().get_template(name)
    assert templates().undefined is StrictUndefined
    for missing in given:
        with pytest.raises(UndefinedError, match=missing):
            template.render({key: value for key, value in given.items() if key != missing})


def test_every_template_is_a_page_that_renders_or_a_part_of_one():
    from jinja2.meta import find_referenced_templates

    reached, ahead = set(), [*PAGES]
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead += [*find_referenced_templates(parsed(name))]
    assert reached == {*templates().list_templates()}
    assert all(PAGES[name]().endswith("</body></html>\n") for name in PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_no_white_space_of_a_template_gets_between_two_tags(name):
    assert not re.search(r">\s+<", PAGES[name]().removeprefix("<!doctype html>\n"))


@pytest.mark.parametrize("name", templates().list_templates())
def test_no_template_turns_escaping_off(name):
    from jinja2 import nodes

    assert templates().autoescape is True
    tree = parsed(name)
    assert not {each.name for each in tree.find_all(nodes.Filter)} & {"safe", "forceescape", "escape", "e"}
    assert not [*tree.find_all((nodes.EvalContextModifier, nodes.MarkSafe, nodes.MarkSafeIfAutoescape))]


def test_entities_are_those_of_the_standard_library():
    shown = templates().from_string("{{ text }}").render(text="<a href='x'>\"&amp;")
    assert shown == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;amp;"


def parsed(name: str):
    return templates().parse(templates().loader.get_source(templates(), name)[0])
