"""Code: what a sentence before it says that it does; functions by their docstrings. Not here: running code."""

import ast
import textwrap
from collections.abc import Iterator

from datasel_assets.documents.blocks import Block
from datasel_assets.documents.document import Document, Drawn


def drawn(document: Document, parts: list[Block]) -> Iterator[Drawn]:
    """Yield a row for code behind a sentence that ends in a colon, and for each Python function with a docstring."""
    for before, part in zip([None, *parts], parts, strict=False):
        if part.kind != "code" or not part.text.strip():
            continue
        if before is not None and before.kind == "paragraph" and before.text.endswith(":"):
            asked = " ".join(before.text.rstrip(":").lstrip("-*> ").split())
            about = f" ({document.title})" if document.title else ""
            yield Drawn(f"{asked}{about}.", _fenced(part.text, part.language), before.start, part.stop, "code")
        for asked, code in _functions(part.text):
            yield Drawn(asked, _fenced(code, "python"), part.start, part.stop, "code")


def _functions(code: str) -> Iterator[tuple[str, str]]:
    """Yield what each function of Python code is documented to do, and the function without that."""
    if "def " not in code or '"""' not in code:
        return
    try:
        module = ast.parse(textwrap.dedent(code))
    except (SyntaxError, ValueError, RecursionError):
        return
    lines = textwrap.dedent(code).split("\n")
    for node in module.body:
        told = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
        if not isinstance(node, ast.FunctionDef) or not told or len(node.body) < 2:
            continue
        words = node.body[0]
        kept = [*lines[node.lineno - 1 : words.lineno - 1], *lines[words.end_lineno or 0 : node.end_lineno]]
        yield f"Write the Python function `{node.name}({ast.unparse(node.args)})`.\n\n{told}", "\n".join(kept)


def _fenced(code: str, language: str) -> str:
    return f"```{language}\n{code.strip(chr(10))}\n```"
