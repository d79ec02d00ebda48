"""Public names of a package, traced from its source to the definitions behind them, without importing anything.

Belongs here: locating source files, and following ``__all__`` and ``from x import y`` from public modules to classes
and functions, wherever they are defined. Not here: docstrings or rows. ``polars.DataFrame`` is defined in
``polars/dataframe/frame.py`` and ``dagster.asset`` in a private package; a reader knows them by the names that this
module gives.
"""

import ast
import contextlib
import gc
import importlib.util
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from datasel_assets.raw_rows import SourceError

STDLIB = "stdlib"
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

_SKIPPED_FOLDERS = {"test", "tests", "testing", "vendor", "vendored", "externals", "conftest", "distutils"}
_SKIPPED_STDLIB = {
    # Not every distribution of Python installs these, and rows should not depend on that.
    *("tkinter", "turtle", "turtledemo", "idlelib", "lib2to3", "ensurepip", "venv", "msilib"),
    # Tables and easter eggs.
    *("encodings", "pydoc_data", "antigravity", "this"),
}


@dataclass(frozen=True, slots=True)
class Module:
    """What one source file defines and imports.

    Attributes:
        name: Dotted name.
        package: True for an ``__init__.py``.
        exported: Names of ``__all__``, or None where it is absent or computed.
        definitions: Top-level classes and functions, also those inside ``if`` and ``try``.
        imports: Local name -> (module, name there).
        stars: Modules of ``from x import *``, in order.
    """

    name: str
    package: bool
    exported: frozenset[str] | None
    definitions: dict[str, Definition]
    imports: dict[str, tuple[str, str]]
    stars: tuple[str, ...]


@dataclass(slots=True)
class SourceTree:
    """The Python source of one package, of one module, or of the standard library.

    Attributes:
        root: Folder that holds the top-level modules.
        tops: Top-level names whose public names are wanted.
        stdlib: True when it belongs to the standard library.
        unreadable: (path under root, reason) of files that could not be parsed, filled as they are met.
    """

    root: Path
    tops: tuple[str, ...]
    stdlib: bool
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    _modules: dict[str, Module | None] = field(default_factory=dict)

    @classmethod
    def find(cls, package: str) -> "SourceTree":
        """Locate ``package`` without executing any of it.

        Args:
            package: A top-level importable name, or ``stdlib``.

        Raises:
            SourceError: it is dotted (finding a submodule would import its parent), not installed, or has no Python
                source here.
        """
        library = Path(sysconfig.get_path("stdlib"))
        if package == STDLIB:
            names = sorted(sys.stdlib_module_names - _SKIPPED_STDLIB)
            tops = tuple(name for name in names if not _skipped(name) and _source(library, name))
            return cls(library, tops, stdlib=True)
        if not package.isidentifier():
            raise SourceError(f"docstrings: {package!r} is not a top-level name; name the package that holds it")
        if package in sys.stdlib_module_names:
            root, stdlib = library, True
        else:
            spec = importlib.util.find_spec(package)
            if spec is None:
                raise SourceError(
                    f"docstrings: package {package!r} is not installed in this environment: "
                    "install it, or remove it from the uri of the source"
                )
            locations = list(spec.submodule_search_locations or [])
            root, stdlib = Path(locations[0] if locations else spec.origin or "").parent, False
        if not _source(root, package):
            raise SourceError(
                f"docstrings: package {package!r} has no Python source in {root} (compiled or a namespace): "
                "remove it from the uri of the source"
            )
        return cls(root, (package,), stdlib=stdlib)

    def public_definitions(self) -> Iterator[tuple[str, str, Definition]]:
        """Yield (public module, name, definition), each definition once, under its shortest public name.

        Where two public modules of equal depth offer it, the one that defines it wins, then the first by name.
        The order is by top-level name, then module, then name.
        """
        best: dict[int, tuple[tuple[int, bool, str, str], Definition]] = {}
        for module in self._public_modules():
            for name in self._public_names(module, frozenset()):
                found = self._resolve(module.name, name, frozenset())
                if found is not None:
                    home, node = found
                    key = (module.name.count("."), home != module.name, module.name, name)
                    if id(node) not in best or key < best[id(node)][0]:
                        best[id(node)] = (key, node)
        for (_, _, module_name, name), node in sorted(best.values(), key=lambda entry: entry[0][2:]):
            yield module_name, name, node

    def _public_modules(self) -> Iterator[Module]:
        for top in self.tops:
            folder = self.root / top
            paths = sorted(folder.rglob("*.py")) if folder.is_dir() else [self.root / f"{top}.py"]
            for path in paths:
                parts = path.relative_to(self.root).with_suffix("").parts
                names = parts[:-1] if parts[-1] == "__init__" else parts
                if not any(map(_skipped, names[1:])):
                    module = self._module(".".join(names))
                    if module is not None:
                        yield module

    def _public_names(self, module: Module, seen: frozenset[str]) -> set[str]:
        if module.exported is not None:
            return {name for name in module.exported if not name.startswith("_")}
        names = set(module.definitions)
        top = module.name.partition(".")[0]
        for name, (source, _) in module.imports.items():
            if module.package and source.partition(".")[0] == top:
                names.add(name)
        for star in module.stars:
            if star not in seen and (other := self._module(star)) is not None:
                names |= self._public_names(other, seen | {module.name})
        return {name for name in names if not name.startswith("_")}

    def _resolve(self, module_name: str, name: str, seen: frozenset[tuple[str, str]]) -> tuple[str, Definition] | None:
        module = self._module(module_name)
        if module is None or (module_name, name) in seen:
            return None
        seen |= {(module_name, name)}
        if name in module.definitions:
            return module_name, module.definitions[name]
        if name in module.imports:
            return self._resolve(*module.imports[name], seen)
        for star in reversed(module.stars):
            found = self._resolve(star, name, seen)
            if found is not None:
                return found
        return None

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            top = name.partition(".")[0]
            ours = top in sys.stdlib_module_names if self.stdlib else top in self.tops
            path = _source(self.root, name) if ours else None
            self._modules[name] = self._parsed(name, path) if path else None
        return self._modules[name]

    def _parsed(self, name: str, path: Path) -> Module | None:
        try:
            with warnings.catch_warnings(), _collector_paused():
                warnings.simplefilter("ignore")  # invalid escapes in other people's code are not our user's concern
                return _summary(name, path.name == "__init__.py", ast.parse(path.read_bytes(), path.name))
        except (SyntaxError, ValueError, RecursionError) as error:
            self.unreadable.append((path.relative_to(self.root), f"not Python source: {error}"))
            return None


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause garbage collection: trees have no cycles, and looking for some takes longer than parsing does."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _source(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


def _skipped(part: str) -> bool:
    return part.startswith(("_", "test_")) or part in _SKIPPED_FOLDERS or not part.isidentifier()


def _summary(name: str, package: bool, tree: ast.Module) -> Module:
    definitions: dict[str, Definition] = {}
    imports: dict[str, tuple[str, str]] = {}
    stars: list[str] = []
    for statement in _statements(tree.body):
        if isinstance(statement, Definition):
            definitions[statement.name] = _without_code(statement)
        elif isinstance(statement, ast.ImportFrom):
            source = _absolute(name, package, statement)
            for alias in statement.names:
                if alias.name == "*":
                    stars.append(source)
                else:
                    imports[alias.asname or alias.name] = (source, alias.name)
    return Module(name, package, _exported(tree), definitions, imports, tuple(stars))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield top-level statements, entering ``if`` and ``try``; imports for type checkers only bind no name."""
    for statement in body:
        if isinstance(statement, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(statement.test):
                yield from _statements(statement.body)
            yield from _statements(statement.orelse)
        elif isinstance(statement, ast.Try):
            for block in (statement.body, *(handler.body for handler in statement.handlers), statement.orelse):
                yield from _statements(block)
        else:
            yield statement


def _without_code(node: Definition) -> Definition:
    """Cut functions down to their docstring: the trees of a large package would otherwise fill memory."""
    if isinstance(node, ast.ClassDef):
        members = [_without_code(child) for child in node.body[1:] if isinstance(child, Definition)]
        node.body = [*node.body[:1], *members]
    else:
        del node.body[1:]
    return node


def _absolute(name: str, package: bool, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    parts = name.split(".")
    base = parts[: len(parts) - statement.level + package]
    return ".".join([*base, *filter(None, [statement.module])])


def _exported(tree: ast.Module) -> frozenset[str] | None:
    names: set[str] = set()
    for statement in _statements(tree.body):
        value = _extension_of_all(statement)
        if value is None:
            continue
        try:
            names.update(ast.literal_eval(value))
        except (ValueError, TypeError):
            return None
    return frozenset(names) or None


def _extension_of_all(statement: ast.stmt) -> ast.expr | None:
    """Return what the statement adds to ``__all__``, or None when it leaves it alone."""
    if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return statement.value
    if isinstance(statement, ast.Expr) and isinstance(call := statement.value, ast.Call):
        function = ast.unparse(call.func)
        if function in ("__all__.extend", "__all__.append") and len(call.args) == 1:
            return ast.List(call.args) if function.endswith("append") else call.args[0]
    return None
