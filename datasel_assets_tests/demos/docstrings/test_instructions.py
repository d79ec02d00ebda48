"""Documentation rows, on a small package written for the purpose and on the real libraries."""

import ast
import gc
import inspect
import json
import platform
import sys
import textwrap
from pathlib import Path

import pytest

from datasel_assets.demos.docstrings import instructions as docstrings
from datasel_assets.raw_rows import SourceError

LONG = "This sentence is here so that the documentation is longer than sixty characters."


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write files of the package ``fakelib``, which cannot be imported: every module raises."""

    def write(**files: str) -> None:
        folder = tmp_path / "fakelib"
        for name, text in {"__init__": "", **files}.items():
            path = folder / f"{name.replace('__slash__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text) + "\nraise RuntimeError('imported')\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)

    return write


def records(**query: str) -> dict[str, dict]:
    found = [row.record for row in docstrings.rows(query) if row.record]
    return {f"{record['module']}.{record['qualname']}": record for record in found}


@pytest.fixture(scope="module")
def libraries() -> dict[str, dict]:
    return records(packages="numpy,polars")


def test_a_row_holds_signature_and_context_in_and_documentation_out(package):
    package(
        shapes=f'''
        class Circle(Shape):
            """All points at one distance
            from a centre.

            {LONG}
            """

            def area(self, digits: int = 3) -> float:
                """Return the area.

                {LONG}
                """
                return 3.14
        '''
    )
    record = records(packages="fakelib")["fakelib.shapes.Circle.area"]
    assert record["input"] == (
        "Module: fakelib.shapes\n"
        "Class: Circle (All points at one distance from a centre.)\n"
        "Signature: def area(self, digits: int=3) -> float"
    )
    assert record["output"] == f"Return the area.\n\n{LONG}"
    assert "fakelib.shapes.Circle.area" in record["instruction"]
    assert list(record) == ["instruction", "input", "output", "module", "qualname"]


def test_packages_are_read_and_never_executed(package):
    package(code=f'def f():\n    """{LONG}"""\n')
    assert list(records(packages="fakelib")) == ["fakelib.code.f"]
    assert "fakelib" not in sys.modules


def test_private_trivial_and_test_code_gives_no_rows(package):
    package(
        code=f'''
        def _private():
            """{LONG}"""

        def short():
            """Too short."""

        def silent():
            return "{LONG}"

        class _Hidden:
            def method(self):
                """{LONG}"""

        class Shown:
            x = 1
            """{LONG}"""

            def __len__(self):
                """{LONG}"""
        ''',
        tests__slash__code=f'def f():\n    """{LONG}"""\n',
        test_code=f'def f():\n    """{LONG}"""\n',
        _code=f'def f():\n    """{LONG}"""\n',
    )
    assert records(packages="fakelib") == {}


def test_an_object_appears_once_under_its_shortest_public_name(package):
    package(
        __init__="from fakelib._core import *\nfrom .frame.frame import Frame\nfrom json import dumps",
        _core__slash____init__="from . import maths\nfrom .maths import *",
        _core__slash__maths=f'__all__ = ["add"]\ndef add():\n    """{LONG}"""\ndef hidden():\n    """{LONG}"""\n',
        frame__slash____init__="from .frame import Frame",
        frame__slash__frame=f'class Frame:\n    """{LONG}"""\n    def join(self):\n        """{LONG}"""\n',
    )
    assert list(records(packages="fakelib")) == ["fakelib.Frame", "fakelib.Frame.join", "fakelib.add"]


def test_imports_that_run_in_circles_end(package):
    package(a="from fakelib.b import *\nfrom fakelib.b import f", b="from fakelib.a import *\nfrom fakelib.a import f")
    assert records(packages="fakelib") == {}


def test_a_file_that_is_not_python_becomes_an_unreadable_row(package):
    package(good=f'def f():\n    """{LONG}"""\n', bad="def f(:")
    good, bad = docstrings.rows({"packages": "fakelib"})
    assert (good.position, bad.position) == (0, 1)
    assert bad.record is None
    assert bad.raw == "fakelib/bad.py"
    assert bad.reason.startswith("not Python source: ")


def test_an_instruction_asks_only_for_what_the_documentation_holds(libraries):
    marks = {
        "Describe its parameters.": ("Parameters\n", "Args:\n", "Arguments:\n", ":param "),
        "Show it in use.": (">>> ",),
        "Say which errors it raises.": ("Raises", ":raises "),
    }
    for request, signs in marks.items():
        asked = [row for row in libraries.values() if request in row["instruction"]]
        assert asked
        assert all(any(sign in row["output"] for sign in signs) for row in asked)


def test_libraries_go_by_the_names_that_users_know(libraries):
    assert {"polars.DataFrame.join", "polars.read_csv", "numpy.reshape", "numpy.linalg.norm"} <= libraries.keys()
    assert libraries["numpy.reshape"]["output"].startswith("Gives a new shape to an array")


def test_documentation_is_what_python_itself_reports():
    rows = records(packages="json,textwrap")
    assert rows["json.dumps"]["output"] == inspect.getdoc(json.dumps)
    assert rows["textwrap.dedent"]["output"] == inspect.getdoc(textwrap.dedent)
    assert rows["json.JSONEncoder.default"]["output"] == inspect.getdoc(json.JSONEncoder.default)
    ast.parse(rows["json.dumps"]["input"].partition("Signature: ")[2] + ": ...")


def test_max_rows_keeps_a_sample_that_another_package_only_thins():
    everything = records(packages="json,textwrap,argparse")
    some = records(packages="json,textwrap,argparse", max_rows="20")
    assert len(some) == 20
    assert some.items() <= everything.items()
    assert list(some) == [name for name in everything if name in some]
    fewer = records(packages="json,textwrap", max_rows="20")
    assert {name for name in some if not name.startswith("argparse.")} <= fewer.keys()
    assert records(packages="textwrap", max_rows="1000") == records(packages="textwrap")


def test_positions_count_up_and_names_are_unique():
    rows = list(docstrings.rows({"packages": "json,textwrap,json"}))
    assert [row.position for row in rows] == list(range(len(rows)))
    assert len(records(packages="json,textwrap,json")) == len(rows)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "names no packages"),
        ({"packages": " , "}, "names no packages"),
        ({"packages": "no_such_package"}, "'no_such_package' is not installed"),
        ({"packages": "concurrent.futures"}, "not a top-level name"),
        ({"packages": "../../etc"}, "not a top-level name"),
        ({"packages": "zlib"}, "no Python source"),
        ({"packages": "json", "max_rows": "0"}, "max_rows='0'"),
        ({"packages": "json", "max_rows": "many"}, "max_rows='many'"),
        ({"packages": "json", "rows": "5"}, "unknown key 'rows'"),
    ],
)
def test_a_bad_query_says_what_to_change(query: dict[str, str], message: str):
    with pytest.raises(SourceError, match=message):
        list(docstrings.rows(query))
    with pytest.raises(SourceError, match=message):
        docstrings.identity(query)


def test_a_package_without_a_version_has_no_identity(package):
    package()
    with pytest.raises(SourceError, match="belongs to no installed distribution"):
        docstrings.identity({"packages": "fakelib"})


def test_the_identity_follows_query_versions_and_code(monkeypatch: pytest.MonkeyPatch):
    query = {"packages": "json,yaml"}  # yaml comes from a distribution of another name
    before = docstrings.identity(query)
    assert docstrings.identity(dict(query)) == before
    different = [before, docstrings.identity({**query, "max_rows": "9"}), docstrings.identity({"packages": "yaml"})]
    with monkeypatch.context() as patch:
        patch.setattr(docstrings, "CODE_VERSION", "other")
        different.append(docstrings.identity(query))
    with monkeypatch.context() as patch:
        patch.setattr(docstrings.metadata, "version", lambda name: "0.0")
        different.append(docstrings.identity(query))
    with monkeypatch.context() as patch:
        patch.setattr(platform, "python_version", lambda: "3.99.0")
        different.append(docstrings.identity(query))
    assert len({json.dumps(each) for each in different}) == 6


def test_reading_leaves_the_garbage_collector_as_it_was(package):
    package(bad="def f(:")
    assert gc.isenabled()
    list(docstrings.rows({"packages": "fakelib"}))
    assert gc.isenabled()
    gc.disable()
    try:
        list(docstrings.rows({"packages": "fakelib"}))
        assert not gc.isenabled()
    finally:
        gc.enable()
