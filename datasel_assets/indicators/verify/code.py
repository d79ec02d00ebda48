"""Whether code parses. Belongs here: blocks with a language that a parser is at hand for. Does not: running any."""

import ast
import json
import math
import re
import textwrap
import tomllib
import warnings
from collections.abc import Callable
from xml.etree import ElementTree

import yaml

from datasel_assets.indicators.verify.exchange import Exchange, code_blocks, verifier

_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.) ?", re.M)
_MAGIC = re.compile(r"^[ \t]*[%!].*$", re.M)
_PYTHON_2 = re.compile(r"^[ \t]*print[ \t]+[^(\s=]", re.M)


@verifier(source="ours; Python by the grammar of the running interpreter")
def code_invalid(exchange: Exchange) -> float:
    """Share of the answer's fenced blocks of code that do not parse.

    Blocks that say that they are Python, JSON, YAML, TOML or XML; others are not judged. Python is parsed and never
    run; prompts of a session, shell lines of a notebook and a common indentation are taken off first. Code of Python 2
    does not parse. A block with an ellipsis instead of a part (``...`` in JSON) is not judged. NaN without such a
    block.
    """
    verdicts = [_parses(language, code) for language, code in code_blocks(exchange.answer)]
    judged = [good for good in verdicts if good is not None]
    return judged.count(False) / len(judged) if judged else math.nan


def _parses(language: str, code: str) -> bool | None:
    """Tell whether code parses; None where that is not judged."""
    parse = PARSERS.get(language)
    if parse is None or not code.strip():
        return None
    try:
        return parse(code)
    except (RecursionError, MemoryError):
        return None
    except (ValueError, SyntaxError, yaml.YAMLError, ElementTree.ParseError):
        return False


def _python(code: str) -> bool:
    if _PROMPT.match(code):
        # In a session what has no prompt is output.
        lines = [line for line in code.splitlines() if _PROMPT.match(line)]
        code = "\n".join(_PROMPT.sub("", line, count=1) for line in lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(textwrap.dedent(_MAGIC.sub("", code)))
        except SyntaxError:
            # Some lines of a body, as an answer quotes them: each of them in a function of its own.
            if _PYTHON_2.search(code):
                raise
            ast.parse("async def part():\n" + textwrap.indent(textwrap.dedent(code), "    "))
    return True


def _json(code: str) -> bool | None:
    if "..." in code or "…" in code or re.search(r"(?m)(^|\s)//|/\*", code):
        return None
    try:
        json.loads(code)
    except ValueError:
        if re.match(r"\s*\"[^\"]+\"\s*:", code):  # a part of an object
            json.loads(f"{{{code.strip().rstrip(',')}}}")
            return True
        for line in filter(str.strip, code.splitlines()):
            json.loads(line)
    return True


def _yaml(code: str) -> bool | None:
    if "{{" in code or "{%" in code:
        return None  # a template of YAML
    # Events and no values: nothing is built, no alias is followed.
    for _ in yaml.parse(code, Loader=yaml.SafeLoader):
        pass
    return True


def _toml(code: str) -> bool:
    tomllib.loads(code)
    return True


def _xml(code: str) -> bool | None:
    if "<!" in code.replace("<!--", "") or "..." in code:
        return None  # entities may grow without end
    ElementTree.fromstring(code.strip() if code.lstrip().startswith("<?") else f"<whole>{code}</whole>")
    return True


PARSERS: dict[str, Callable[[str], bool | None]] = {
    **dict.fromkeys(("python", "py", "python3", "pycon"), _python),
    "json": _json,
    **dict.fromkeys(("yaml", "yml"), _yaml),
    "toml": _toml,
    "xml": _xml,
}
"""Language of a block -> its parser: True, None where it is not judged, or an error of the parser."""
