"""The house of the package: floors without circles, who may touch what, heavy imports, time to load."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "datasel_assets"

FLOORS = {
    "leaf modules": ("schema", "progress", "settings", "compiled", "raw_rows"),
    "ground floor": ("arrays", "words", "formats", "crowd", "batching", "costs"),
    "pure folders that files name": ("bandits", "clusters", "documents", "runs", "samplers"),
    "specs": ("specs",),
    "pure folders": ("representations", "indicators", "answers", "corpus", "diagnostics", "demos"),
    "shell": ("compute", "storage", "models", "recipes", "registry"),
    "tables": ("tables",),
    "Dagster": ("launching", "defs", "definitions"),
    "command line": ("cli", "__main__"),
}
"""Floors from the bottom up. A folder may import what stands before it, in its own floor too."""
ORDER = tuple(part for floor in FLOORS.values() for part in floor)

PURE = {part for floor in list(FLOORS)[1:5] for part in FLOORS[floor]} | {"recipes"}
"""Folders that compute and neither read nor write: values in, values out."""

HEAVY = {"torch", "transformers", "tokenizers", "faiss", "ray", "duckdb", "matplotlib", "numba", "jinja2"}
ONLY_IN = {
    "dagster": {"launching", "defs", "definitions", "cli"},
    "torch": {"models"},
    "transformers": {"models"},
    "ray": {"compute"},
    "duckdb": {"storage"},
}
"""Library -> the folders that may import it."""

INSTALLED = {
    "answers/asks.py": "the shipped prompts are files of the package itself",
    "costs/reference.py": "the shipped costs are a file of the package itself",
    "demos/docstrings/public_names.py": "the source of installed packages is what it makes a dataset of",
    "indicators/text/easy_words.py": "the list lies in an installed package",
    "indicators/text/spelling.py": "the lists lie in an installed package",
    "indicators/text/syllables.py": "the dictionary lies in an installed package",
}
"""Pure modules that read files all the same, none of them of the data folder -> why."""
TOUCHES = {
    *("open", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "iterdir", "glob", "rglob"),
    *("exists", "is_file", "is_dir", "stat", "rmdir", "symlink_to", "read_parquet", "scan_parquet", "write_parquet"),
    *("read_csv", "scan_csv", "read_json", "read_ndjson", "memmap", "from_pretrained", "save_pretrained"),
}
"""Names of calls that look at the file system."""
FILE_LIBRARIES = {"shutil", "tempfile", "fcntl", "mmap"}

NETWORK = {"fsspec", "huggingface_hub", "urllib.request", "http", "requests", "aiohttp", "httpx", "ftplib"}
MAY_DOWNLOAD = {"storage/readers/fetch.py", "models/resolve.py", "models/endpoint.py"}
MAY_LISTEN = {
    "cli/file_server.py": "shows releases and reports on the loopback interface; it asks nobody for anything",
    "cli/loopback.py": "what all of them answer with",
    "cli/page_server.py": "what every page is held to",
}
"""Modules that answer on the network -> why."""

CLOCKS = {"time", "datetime"}
MAY_NAME_CLOCKS = {
    "tables/making.py": "notes what a table cost, which stands in the log of runs and in no table",
    "tables/costs/kept.py": "names plans by the time at which they were made, as the log of runs does",
    "tables/forecast.py": "measures a few rows before a long pass, and says so in the log and on the page alone",
    "formats/values.py": "writes dates and durations that stand in records, and asks for no time itself",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def dotted() -> Mapping[str, Path]:
    """Every module of the package by its dotted name; a folder stands for its ``__init__``."""
    found = {}
    for path in modules():
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(node: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a module or a statement imports, wherever in it that stands."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom) and each.module:
            for alias in each.names:
                whole = f"{each.module}.{alias.name}"
                yield whole if whole in dotted() or not each.module.startswith("datasel_assets") else each.module


@cache
def imported_modules(path: Path) -> frozenset[Path]:
    """The modules of the package that another one imports; imports for types and inside functions count too."""
    return frozenset({dotted()[name] for name in imports(tree_of(path)) if name in dotted()} - {path})


def at_module_level(path: Path) -> Iterator[str]:
    """Yield what is imported when the module is."""
    for statement in tree_of(path).body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If):
            yield from imports(statement)


@cache
def kernels() -> frozenset[Path]:
    """Modules of compiled loops: importing one of them loads numba."""
    return frozenset(p for p in modules() if "datasel_assets.compiled" in set(at_module_level(p))) | {
        PACKAGE / "compiled.py"
    }


def broken_by(rule: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """Ask every module what it does against a rule; module -> what, for those that break it."""
    asked = {name_of(path): sorted(rule(path)) for path in modules() if part_of(path) != "__init__"}
    return {name: found for name, found in asked.items() if found}


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def libraries(names: Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_every_folder_has_its_floor():
    assert {part_of(path) for path in modules()} - {"__init__"} == set(ORDER)


def test_nothing_imports_upward():
    def upward(path: Path) -> Iterator[str]:
        here = ORDER.index(part_of(path))
        return (name_of(other) for other in imported_modules(path) if ORDER.index(part_of(other)) > here)

    assert broken_by(upward) == {}


@pytest.mark.parametrize("folder", sorted({path.parent for path in modules()}), ids=lambda path: path.name)
def test_what_lies_side_by_side_imports_one_another_in_one_direction(folder: Path):
    """Files and sub-folders of one folder, each sub-folder as a whole: so there is no circle of files anywhere."""
    imported = [
        (path, other)
        for path in modules()
        for other in imported_modules(path)
        if folder in path.parents and folder in other.parents
    ]
    graph: dict[str, dict[str, list[str]]] = {}
    for path, other in imported:
        here, there = (each.relative_to(folder).parts[0] for each in (path, other))
        if here != there:
            graph.setdefault(here, {}).setdefault(there, []).append(f"{name_of(path)} imports {name_of(other)}")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        why = [line for here, there in pairwise(circle) for line in graph.get(here, {}).get(there, [])]
        pytest.fail("\n".join([f"a circle: {' -> '.join(circle)}", *why]))


def test_each_library_has_its_folder():
    def elsewhere(path: Path) -> set[str]:
        return {
            name
            for name in libraries(imports(tree_of(path)))
            if part_of(path) not in ONLY_IN.get(name, {part_of(path)})
        }

    assert broken_by(elsewhere) == {}


def test_heavy_libraries_and_compiled_loops_are_imported_inside_functions():
    def early(path: Path) -> set[str]:
        names = set(at_module_level(path))
        heavy = libraries(names) & HEAVY
        return heavy - {"numba"} if path in kernels() else heavy | {n for n in names if dotted().get(n) in kernels()}

    assert broken_by(early) == {}


def test_the_code_location_loads_without_heavy_libraries():
    code = f"import sys, datasel_assets.definitions as d; d.build_defs(); print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_folders_that_compute_touch_no_file():
    def touched(path: Path) -> set[str]:
        if part_of(path) not in PURE or name_of(path) in INSTALLED:
            return set()
        called = {getattr(call.func, "attr", getattr(call.func, "id", "")) for call in calls(path)}
        return (called & TOUCHES) | (libraries(imports(tree_of(path))) & FILE_LIBRARIES)

    assert broken_by(touched) == {}


def test_only_three_modules_use_the_network_and_only_the_file_server_listens():
    def used(path: Path) -> set[str]:
        names = {
            name for name in imports(tree_of(path)) if {name, name.rpartition(".")[0], *libraries([name])} & NETWORK
        }
        return set() if name_of(path) in {*MAY_DOWNLOAD, *MAY_LISTEN} else names

    assert broken_by(used) == {}


def test_no_clock_decides_what_a_table_holds():
    def read(path: Path) -> set[str]:
        ruled = part_of(path) in PURE | {"registry", "tables"} and name_of(path) not in MAY_NAME_CLOCKS
        return libraries(imports(tree_of(path))) & CLOCKS if ruled else set()

    assert broken_by(read) == {}


def test_whatever_is_random_has_a_seed():
    def unseeded(path: Path) -> Iterator[str]:
        for call in calls(path):
            name = ast.unparse(call.func)
            if name.endswith(("default_rng", "random.Random")):
                yield from [] if call.args else [name]
            elif re.fullmatch(r"(np\.)?random\.\w+", name):
                yield name  # draws from a generator that everybody shares

    assert broken_by(unseeded) == {}


def test_nobody_uses_pickle_eval_or_a_shell():
    def used(path: Path) -> Iterator[str]:
        yield from libraries(imports(tree_of(path))) & {"pickle", "joblib", "dill", "shelve"}
        for call in calls(path):
            name = ast.unparse(call.func)
            if name in {"eval", "exec", "os.system", "os.popen"} or any(key.arg == "shell" for key in call.keywords):
                yield name

    assert broken_by(used) == {}


def test_every_exception_is_still_one():
    assert {name for name in {*INSTALLED, *MAY_DOWNLOAD, *MAY_LISTEN} if not (PACKAGE / name).is_file()} == set()


def test_every_module_says_what_belongs_in_it():
    silent = [name_of(path) for path in modules() if not (ast.get_docstring(tree_of(path)) or "")]
    assert silent == []


def test_every_file_that_is_not_code_is_shipped_with_its_package():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))
    shipped = {
        path
        for package, patterns in project["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in PACKAGE.parent.joinpath(*package.split(".")).glob(pattern)
    }
    present = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    # numba leaves its compiled kernels beside the code.
    assert {path for path in present if "__pycache__" not in path.parts} == shipped


def test_the_dagster_floor_is_thin_and_no_module_is_long():
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    assert sum(count for name, count in lines.items() if name.startswith("defs/")) <= 1100
    assert {name: count for name, count in lines.items() if count > 400 and not name.endswith("kernels.py")} == {}
