"""Documentation of installed Python packages as instruction rows: signature and context in, documentation out.

Belongs here: which documented objects become rows, in which order, and how a row is worded. Not here: how a public
name is traced to its definition (``public_names``). Nothing is imported or executed: packages are located on disk
and their source is parsed, so a package with side effects, or a heavy one, costs no more than its text. Objects that
exist only as compiled code have no source to read and give no rows.

Query of the uri ``docstrings:?packages=polars,numpy&max_rows=2000``:

* ``packages`` (required): importable top-level names; ``stdlib`` stands for the whole standard library.
* ``max_rows``: at most so many rows, the ones whose names hash lowest. A package added later can only push rows out,
  never bring in others of the packages that were there.
"""

import ast
import hashlib
import heapq
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from datasel_assets.demos.docstrings.public_names import Definition, SourceTree
from datasel_assets.raw_rows import RawRow, SourceError, unreadable

CODE_VERSION = "1"
MIN_CHARS = 60
"""Shorter documentation ("Return the name.") says little more than the signature does."""

_KINDS = {
    "class": (
        "Write the reference documentation of the class `{name}`.",
        "What is `{name}` and when is it used? Answer as the documentation of the class would.",
        "Document the Python class `{name}`.",
        "Explain what the class `{name}` represents.",
        "I came across `{name}` in some code. What is this class for?",
    ),
    "method": (
        "Write the reference documentation of the method `{name}`.",
        "What does `{name}` do?",
        "Document the Python method `{name}` from its signature and class.",
        "Explain how the method `{name}` behaves.",
        "I want to call `{name}`. What should I know about it?",
    ),
    "property": (
        "Write the reference documentation of the property `{name}`.",
        "What does the property `{name}` hold?",
        "Explain the attribute `{name}`.",
    ),
    "function": (
        "Write the reference documentation of the function `{name}`.",
        "What does `{name}` do?",
        "Document the Python function `{name}` from its signature.",
        "Explain how the function `{name}` behaves.",
        "I want to call `{name}`. What should I know about it?",
        "Give the docstring that belongs to `{name}`.",
    ),
}
_REQUESTS = (
    (("Parameters\n---", "Args:\n", "Arguments:\n", ":param "), "Describe its parameters."),
    ((">>> ",), "Show it in use."),
    (("Raises\n---", "Raises:\n", ":raises "), "Say which errors it raises."),
)
"""Marks in a docstring -> a request that it fulfils, so that no instruction asks for what the answer lacks."""


@dataclass(frozen=True, slots=True)
class DocumentedObject:
    """One class, function or method under its public name.

    Attributes:
        module: Public module, such as ``polars`` for what ``polars/dataframe/frame.py`` defines.
        qualname: Name inside the module, such as ``DataFrame.join``.
        kind: class | method | property | function.
        documentation: The cleaned docstring, at least ``MIN_CHARS`` long.
        node: The definition.
        owner: The class that holds a method or property, else None.
    """

    module: str
    qualname: str
    kind: str
    documentation: str
    node: Definition
    owner: ast.ClassDef | None

    @property
    def name(self) -> str:
        """Full dotted name."""
        return f"{self.module}.{self.qualname}"


def rows(query: Mapping[str, str]) -> Iterator[RawRow]:
    """Yield one alpaca record per documented object, in the order of ``packages`` and then of public names.

    Args:
        query: ``packages`` and optionally ``max_rows``, as in the module docstring.

    Yields:
        Rows with the fields instruction, input, output, module, qualname. A source file that Python cannot parse is
        one unreadable row.

    Raises:
        SourceError: an unknown key, a bad number, or a package that is not installed or has no Python source.
    """
    packages, max_rows = _parse(query)
    trees = [SourceTree.find(package) for package in packages]
    found = {each.name: each for tree in trees for each in _documented(tree)}
    kept = found if max_rows is None else set(heapq.nsmallest(max_rows, found, key=_draw))
    position = 0
    for name, each in found.items():
        if name in kept:
            yield RawRow(position, _record(each))
            position += 1
    for tree in trees:
        for path, reason in tree.unreadable:
            yield unreadable(position, reason, path.as_posix())
            position += 1


def identity(query: Mapping[str, str]) -> list[Any]:
    """Return what the rows depend on: the versions of this code, of Python and of each package, and ``max_rows``.

    No source is parsed, so that a sensor may ask often. The files of a package are taken to change only with its
    version: after edits to an editable install, change the query or the version.

    Raises:
        SourceError: as in `rows`.
    """
    packages, max_rows = _parse(query)
    versions = [[package, _version(package)] for package in packages]
    return [CODE_VERSION, platform.python_version(), versions, max_rows]


def _parse(query: Mapping[str, str]) -> tuple[tuple[str, ...], int | None]:
    if unknown := sorted(set(query) - {"packages", "max_rows"}):
        raise SourceError(f"docstrings: unknown key {unknown[0]!r} in the uri; use 'packages' and 'max_rows'")
    packages = tuple(dict.fromkeys(filter(None, (part.strip() for part in query.get("packages", "").split(",")))))
    if not packages:
        raise SourceError("docstrings: the uri names no packages; write docstrings:?packages=json,polars")
    text = query.get("max_rows")
    if text is None:
        return packages, None
    if not text.isdecimal() or int(text) < 1:
        raise SourceError(f"docstrings: max_rows={text!r} in the uri is not a whole number of at least 1")
    return packages, int(text)


def _version(package: str) -> str:
    tree = SourceTree.find(package)
    if tree.stdlib:
        return platform.python_version()
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the distribution has another name: scikit-learn holds sklearn
        distributions = metadata.packages_distributions().get(package)
        if not distributions:
            raise SourceError(
                f"docstrings: package {package!r} was found in {tree.root} but belongs to no installed distribution, "
                "so its version is unknown: install it with pip, or remove it from the uri of the source"
            ) from None
        return metadata.version(distributions[0])


def _documented(tree: SourceTree) -> Iterator[DocumentedObject]:
    for module, name, node in tree.public_definitions():
        top = _object(module, name, "class" if isinstance(node, ast.ClassDef) else "function", node, None)
        if top:
            yield top
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, Definition) and not child.name.startswith("_"):
                    member = _object(module, f"{name}.{child.name}", _kind_of_member(child), child, node)
                    if member:
                        yield member


def _object(
    module: str, qualname: str, kind: str, node: Definition, owner: ast.ClassDef | None
) -> DocumentedObject | None:
    documentation = (ast.get_docstring(node) or "").strip()
    if len(documentation) < MIN_CHARS:
        return None
    return DocumentedObject(module, qualname, kind, documentation, node, owner)


def _kind_of_member(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    decorators = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
    return "property" if decorators & {"property", "cached_property"} else "method"


def _draw(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


def _record(each: DocumentedObject) -> dict[str, str]:
    return {
        "instruction": _instruction(each),
        "input": _context(each),
        "output": each.documentation,
        "module": each.module,
        "qualname": each.qualname,
    }


def _instruction(each: DocumentedObject) -> str:
    number = int.from_bytes(_draw(each.name), "big")
    wordings = _KINDS[each.kind]
    parts = [wordings[number % len(wordings)].format(name=each.name)]
    number //= len(wordings)
    for marks, request in _REQUESTS:
        if any(mark in each.documentation for mark in marks):
            if number % 2:
                parts.append(request)
            number //= 2
    return " ".join(parts)


def _context(each: DocumentedObject) -> str:
    lines = [f"Module: {each.module}"]
    if each.owner is not None:
        summary = " ".join((ast.get_docstring(each.owner) or "").partition("\n\n")[0].split())
        lines.append(f"Class: {each.owner.name}" + (f" ({summary})" if summary else ""))
    lines.append(f"Signature: {_signature(each.node)}")
    return "\n".join(lines)


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        head = f"class {node.name}({bases})" if bases else f"class {node.name}"
        for child in node.body:
            if isinstance(child, ast.FunctionDef) and child.name == "__init__":
                return f"{head}: {_signature(child)}"
        return head
    prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{prefix} {node.name}({ast.unparse(node.args)}){returns}"
