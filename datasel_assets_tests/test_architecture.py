"""The house of the package: floors, heavy imports, time to load."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "datasel_assets"

FLOORS = [
    {"schema", "progress", "settings", "compiled", "raw_rows", "arrays", "words", "formats"},
    {"samplers", "clusters", "specs", "indicators", "representations", "diagnostics", "corpus", "demos"},
    {"recipes", "models", "storage", "compute", "registry"},
    {"tables"},
    {"defs"},
    {"definitions", "cli", "__main__"},
]
HEAVY = {"torch", "transformers", "tokenizers", "faiss", "ray", "duckdb", "matplotlib", "numba", "jinja2"}
ONLY_IN = {
    "dagster": {"defs", "definitions", "cli"},
    "torch": {"models"},
    "transformers": {"models"},
    "ray": {"compute"},
    "duckdb": {"storage"},
}


def floor_of(name: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if name in floor)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_imports_upward(path: Path):
    if path == PACKAGE / "__init__.py" or path.name == "py.typed":
        return
    here = floor_of(part_of(path))
    for name in imports(path):
        if name.startswith("datasel_assets."):
            other = name.split(".")[1]
            assert floor_of(other) <= here, f"{path.relative_to(PACKAGE)} imports {name}, which lies above it"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_heavy_library_has_its_floor(path: Path):
    for name in imports(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        if allowed and path != PACKAGE / "__init__.py":
            assert part_of(path) in allowed, f"{path.relative_to(PACKAGE)} imports {name}"


def test_every_module_says_what_belongs_in_it():
    silent = [str(p.relative_to(PACKAGE)) for p in modules() if not (ast.get_docstring(ast.parse(p.read_text())) or "")]
    assert silent == []


def test_the_code_location_loads_without_heavy_libraries():
    code = f"import sys, datasel_assets.definitions as d; d.build_defs(); print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


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


def test_nobody_uses_pickle_or_eval():
    for path in modules():
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, path
        assert not {"pickle", "joblib", "dill", "shelve"} & {name.split(".")[0] for name in imports(path)}, path
