"""README and docs promise only what runs: commands exist, YAML is valid, Python runs, SQL is tested, links lead on."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from datasel_assets import settings
from datasel_assets.cli import COMMANDS, build_parser
from datasel_assets.formats import FORMATS
from datasel_assets.registry.base import parse, read_yaml
from datasel_assets.registry.load import FILES, FOLDERS
from datasel_assets.registry.people import question_of
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.storage.catalog import EXAMPLE_QUERIES
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.pools import add_source, rows, small_pool

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
HOOKS = runpy.run_path(str(DOCS / "hooks.py"))
anchor = HOOKS["anchor"]

PROGRAMS = {"duckdb", "dagster", "ray", "docker", "helm", "kubectl"}
"""Commands of other packages, whose arguments are not looked at.

``compute.test_ray_commands`` runs those of ray, and ``deploy`` looks at the files that the last three take: they need a
cluster.
"""


def blocks(page: Path, *languages: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [text for language, text in found if language in languages]


def every(*languages: str) -> list:
    """Blocks of all pages but for the worked examples, which ``test_contributing`` carries out."""
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        if page.stem != "CONTRIBUTING"
        for number, text in enumerate(blocks(page, *languages))
    ]


def commands(page: Path) -> list[str]:
    """Lines of the blocks for a shell, and commands in the running text."""
    lines = [line for block in blocks(page, "bash", "") for line in block.splitlines() if line.strip()]
    spans = re.findall(
        r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    )
    known = ("make ", "datasel ", "python docs/", "python -m benchmarks.", "python -m datasel_assets ", "cp ")
    return [*lines, *(span for span in spans if span.startswith(known))]


def problem(command: str) -> str | None:
    """What is wrong with a command, or None."""
    words = shlex.split(command, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    match words:
        case []:
            return None
        case ["make", *rest]:
            return _problem_of_make(rest)
        case ["datasel", *rest] | ["python", "-m", "datasel_assets", *rest]:
            try:
                build_parser().parse_args(rest)
            except SystemExit as stop:
                return "the parser refuses it" if stop.code else None
            return None
        case ["python", "-m", module, *rest] if module.startswith("benchmarks."):
            script = REPOSITORY / f"{module.replace('.', '/')}.py"
            text = script.read_text("utf-8") if script.is_file() else ""
            absent = [word for word in rest if word.startswith("--") and f'"{word}"' not in text]
            return f"{module} has no {absent}" if absent or not text else None
        case ["python", script, *_] | ["cp", script, _]:
            return None if (REPOSITORY / script).is_file() else f"there is no {script}"
        case [program, *_]:
            return None if program in PROGRAMS else f"nobody checks the program {program}"


def _problem_of_make(words: list[str]) -> str | None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.M))
    for word in words:
        name, given, _ = word.partition("=")
        if name not in (re.findall(r"\$\((\w+)\)", makefile) if given else targets):
            return f"the Makefile has no {name}"
    return None


def test_a_command_that_does_not_exist_is_found():
    assert problem("DATASEL_DATA=~/pool make run  # all of it") is None
    wrong = (
        "make rum",
        "make run RECIPE=a",
        "datasel explan x",
        "datasel run --fast",
        "python docs/recipes.py",
        "rm -rf x",
    )
    assert [command for command in wrong if problem(command) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_exists_and_takes_its_options(page: Path):
    assert {command: found for command in commands(page) if (found := problem(command))} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_of_a_kind_that_is_checked(page: Path):
    kinds = set(re.findall(r"^```(\w*)\n.*?^```$", page.read_text("utf-8"), re.M | re.S))
    assert kinds <= {"", "bash", "python", "yaml", "sql", "diff"}


@pytest.mark.parametrize("text", every("yaml"))
def test_every_yaml_block_names_its_file_and_is_one_that_can_be_used(text: str, tmp_path: Path):
    named = re.match(r"# data/(?:(\w+)/)?([\w-]+\.yaml)", text)
    assert named, "the first line must name the file: # data/<folder>/<name>.yaml"
    path = tmp_path / named[2]
    path.write_text(text, encoding="utf-8")
    document = read_yaml(path)
    model = FOLDERS[named[1]] if named[1] else FILES[named[2]]
    parse(document, model if isinstance(model, type) else model(document))


def test_every_provider_that_a_block_shows_beside_its_own_can_be_used_in_its_place():
    shown = []
    for page in PAGES:
        for text in blocks(page, "yaml"):
            if text.startswith("# data/answers/"):
                document = yaml.safe_load(text)
                for other in re.findall(r"^# (provider: .*)$", text, re.M):
                    provider = yaml.safe_load(other)["provider"]
                    ask = "reward" if "reward" in provider else document["ask"]
                    spec = {"ask": ask, "provider": provider, "rows": document["rows"]}
                    asked = AnswersSpec.model_validate(spec)
                    assert "people" not in provider or question_of(asked).answers
                    shown.append(asked.provider)
    kinds = {type(one).__name__ for one in shown}
    assert kinds == {"EndpointSpec", "LocalSpec", "RewardSpec", "AskedPeopleSpec", "StoredSpec"}


@pytest.mark.parametrize("text", every("python"))
def test_every_python_block_runs_beside_a_data_folder(text: str, tmp_path: Path):
    small_pool(tmp_path / "data", n=4)
    add_source(tmp_path / "data", "arithmetic", rows("sums", 4, start=50))
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("text", every("sql"))
def test_every_question_in_sql_is_one_that_the_catalog_is_tested_with(text: str):
    tested = {re.sub(r"\s+", " ", query).strip() for query in EXAMPLE_QUERIES.values()}
    asked = [re.sub(r"\s+", " ", re.sub(r"--.*", "", query)).strip() for query in text.split(";")]
    assert [query for query in asked if query and query not in tested] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    wrong = []
    for target in re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    ):
        if target.startswith(("http://", "https://")):
            continue
        path, _, name = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (name and name not in headings(file)):
            wrong.append(target)
    assert wrong == []


def headings(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize(
    ("target", "folder", "on_the_site"),
    [
        ("yaml.md", "docs", "yaml.md"),
        ("docs/images/house.svg", "", "images/house.svg"),
        ("../CONTRIBUTING.md", "docs", "contributing.md"),
        ("docs/../README.md", "", "index.md"),
        ("../data/recipes/mig.yaml", "docs", "repository/data/recipes/mig.yaml"),
    ],
)
def test_links_of_the_repository_lead_to_the_same_file_on_the_site(target: str, folder: str, on_the_site: str):
    assert HOOKS["place"](target, folder) == on_the_site


def test_every_page_is_on_the_site():
    shown = (REPOSITORY / "mkdocs.yml").read_text("utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f": {page.name}\n" not in shown] == []


def test_the_page_on_formats_names_every_schema_and_its_fields():
    page = (DOCS / "formats.md").read_text("utf-8")
    needed = {
        name: {name, *(field for group in module.REQUIRED for field in group)} for name, module in FORMATS.items()
    }
    assert {
        name: absent for name, words in needed.items() if (absent := {w for w in words if f"`{w}`" not in page})
    } == {}


def test_the_page_on_operation_names_every_command_and_variable():
    page = (DOCS / "operation.md").read_text("utf-8")
    names = [f"`datasel {module.__name__.rpartition('.')[2]}" for module in COMMANDS]
    names += [f"`{value}`" for name, value in vars(settings).items() if name.endswith("_VARIABLE")]
    assert [name for name in names if name not in page] == []


def test_the_drawing_of_the_house_has_every_folder_of_the_package():
    drawing = (DOCS / "images" / "house.svg").read_text("utf-8")
    folders = [path.parent.name for path in (REPOSITORY / "datasel_assets").glob("*/__init__.py")]
    assert [name for name in folders if f">{name}<" not in drawing] == []
