"""Where in a registry file a mistake stands: the line of the key that a message is about.

Belongs here: from a message and the text of its file to lines. Does not: what is wrong (``base``, ``rules``).
"""

import re

import yaml

_PATH = re.compile(r"(?P<path>[A-Za-z_][\w-]*(?:\.[\w-]+|\[\d+\])*): ")
_UNKNOWN = re.compile(r"the key '([^']+)' is not known")
_NAMED = re.compile(r"'([^']+)'|\b([a-z_]\w*\.[\w-]+)\b")


def with_lines(text: str, message: str) -> str:
    r"""Return a message with ``line <n>: `` before each of its problems whose place in the file is found.

    Args:
        text: of the file.
        message: one problem, or several in lines that begin with a dash.

    >>> with_lines("select: {sampler: random}\nbudget: {row: 3}", "budget: the key 'row' is not known")
    "line 2: budget: the key 'row' is not known"
    """
    lines = lines_of_keys(text)
    first, *others = message.split("\n  - ")
    if others:
        return "\n  - ".join([first, *(_located(text, lines, each) for each in others)])
    return _located(text, lines, message)


def lines_of_keys(text: str) -> dict[str, int]:
    r"""Return the path of each key and each entry of a list, as messages write it, with its line; empty for no YAML.

    >>> lines_of_keys("drop:\n- {score: n_tokens,\n   below: 3}")
    {'drop': 1, 'drop[0]': 2, 'drop[0].score': 2, 'drop[0].below': 3}
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return {}
    found: dict[str, int] = {}
    waiting: list[tuple[str, yaml.Node]] = [("", root)] if root else []
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            inner = [(f"{path}.{key.value}".lstrip("."), key.start_mark.line, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            inner = [(f"{path}[{i}]", value.start_mark.line, value) for i, value in enumerate(node.value)]
        else:
            continue
        for name, line, _ in inner:
            found.setdefault(name, line + 1)
        waiting += [(name, value) for name, _, value in reversed(inner)]
    return dict(sorted(found.items(), key=lambda place: place[1]))


def _located(text: str, lines: dict[str, int], problem: str) -> str:
    if problem.startswith("line "):
        return problem
    path = match["path"] if (match := _PATH.match(problem)) else ""
    if unknown := _UNKNOWN.search(problem):
        path = f"{path}.{unknown[1]}".lstrip(".")
    while path and path not in lines:
        path = re.sub(r"(\.[^.\[\]]+|\[\d+\]|^[^.\[\]]+)$", "", path)
    line = lines.get(path) or _line_of_name(text, problem)
    return f"line {line}: {problem}" if line else problem


def _line_of_name(text: str, problem: str) -> int | None:
    """Return the first line that holds a name of the problem, comments aside."""
    for match in _NAMED.finditer(problem):
        name = re.compile(rf"(?<![\w.-]){re.escape(match[1] or match[2])}(?![\w.-])")
        for number, line in enumerate(text.splitlines(), start=1):
            if name.search(line.partition("#")[0]):
                return number
    return None
