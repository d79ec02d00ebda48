"""Load one folder of YAML files into strict models, file by file.

Belongs here: safe YAML reading and error messages that a person can act on. Not here: what any file may contain
(``source.py``, ``target.py``, ...). One bad file yields one message and never takes the other files down.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from datasel_assets.schema import StrictModel, check_slug, suggestion

MAX_YAML_DEPTH = 100
MAX_YAML_BYTES = 1 << 20
"""Registry files are written by hand; a larger one is a mistake (a dataset saved as YAML) or an attack."""

Problems = Mapping[str, str]
"""File relative to the data folder -> what is wrong with it, in words."""

Spec = TypeVar("Spec", bound=StrictModel)


@dataclass(frozen=True)
class Loaded(Generic[Spec]):
    """What a folder held: the valid ``specs`` and, for each bad file, one message in ``errors``; keyed by file stem."""

    specs: dict[str, Spec]
    errors: dict[str, str]


def load_folder(
    folder: Path, model: type[Spec] | Callable[[dict[str, Any]], type[Spec]], *, missing_ok: bool = False
) -> Loaded[Spec]:
    """Read every ``*.yaml`` of ``folder`` into ``model``.

    Args:
        folder: Folder of registry files; hidden files and sub-folders are not looked at.
        model: Strict model that one file must satisfy, or what chooses it from the document, where there are several.
        missing_ok: Read an absent folder as an empty one. Leave it False for sources: a mount that has gone away
            must not look like a registry from which every source was removed.

    Returns:
        Valid specs and readable errors, each sorted by name (the file stem).

    Raises:
        OSError: the folder itself cannot be listed.
    """
    specs: dict[str, Spec] = {}
    errors: dict[str, str] = {}
    if missing_ok and not folder.exists():
        return Loaded(specs, errors)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix not in {".yaml", ".yml"}:
            continue
        try:
            if path.suffix == ".yml":
                raise RegistryError(f"rename it to {path.stem}.yaml: only *.yaml files are read")
            check_slug(path.stem)
            document = read_yaml(path)
            chosen: type[Spec] = model if isinstance(model, type) else model(document)  # type: ignore[assignment]
            specs[path.stem] = parse(document, chosen)
        except (ValueError, OSError) as error:
            errors.setdefault(path.stem, f"{folder.name}/{path.name}: {error}")
    return Loaded(specs, errors)


def load_file(path: Path, model: type[Spec]) -> tuple[Spec | None, str | None]:
    """Return the settings of one file, the defaults of ``model`` where it is absent, or None and what is wrong."""
    if not path.is_file():
        return model(), None
    try:
        return parse(read_yaml(path), model), None
    except (ValueError, OSError) as error:
        return None, f"{path.name}: {error}"


class RegistryError(ValueError):
    """A registry file that cannot be used; the message says what is wrong and what is allowed."""


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""By libyaml where PyYAML was built with it: some ten times as fast."""


class _StrictLoader(_Loader):
    """Safe loader that refuses repeated keys: the last would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen if isinstance(key_node, yaml.ScalarNode) else False:
                line = key_node.start_mark.line + 1
                raise RegistryError(f"line {line}: the key {key_node.value!r} is given twice; keep one of them")
            if isinstance(key_node, yaml.ScalarNode):
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Parse one YAML mapping with the safe loader.

    Raises:
        RegistryError: too large, not UTF-8, not YAML, repeated keys, aliases, or not a mapping.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_YAML_BYTES + 1)
    if len(data) > MAX_YAML_BYTES:
        raise RegistryError(f"larger than {MAX_YAML_BYTES:,} bytes; registry files hold settings, not data")
    try:
        text = data.decode("utf-8-sig")
        _refuse_what_grows(text)
        document = yaml.load(text, Loader=_StrictLoader)
    except UnicodeDecodeError as error:
        raise RegistryError(f"not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        # What ends too early is noticed behind the last line.
        lines = max(1, len(data.splitlines()))
        where = f"line {min(error.problem_mark.line + 1, lines)}: " if error.problem_mark else ""
        raise RegistryError(f"{where}not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise RegistryError(f"not valid YAML: {error}") from error
    except RecursionError as error:
        raise RegistryError("nested too deeply") from error
    if not isinstance(document, dict):
        found = "empty" if document is None else f"a {type(document).__name__}"
        raise RegistryError(f"the file must hold 'key: value' lines, but it is {found}")
    return document


def _refuse_what_grows(text: str) -> None:
    """Refuse ``*name``, a few lines of which expand to any size, and nesting that no file of settings has."""
    depth = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1
            raise RegistryError(f"line {line}: YAML aliases (*name) are not accepted; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH:
            raise RegistryError("nested too deeply")


def parse(document: dict[str, Any], model: type[Spec]) -> Spec:
    """Validate a parsed YAML mapping; all problems of the file go into one readable error.

    Raises:
        RegistryError: one line per problem with its key path, what was found and what is allowed.
    """
    for key in document:
        if not isinstance(key, str):
            raise RegistryError(f"the key {key!r} is not text; put it in quotes if it is meant as a name")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = list(dict.fromkeys(_problems(error, model)))
    except RecursionError as error:
        raise RegistryError("nested too deeply") from error
    raise RegistryError(problems[0] if len(problems) == 1 else "".join(f"\n  - {p}" for p in problems))


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """One sentence per key, known or not; the branches of a union are joined by 'or'."""
    by_path: dict[tuple[str, Any], list[str]] = {}
    for item in error.errors(include_url=False):
        path, message = _describe(dict(item), model)
        unknown = item["loc"][-1] if item["type"] == "extra_forbidden" else None
        messages = by_path.setdefault((path, unknown), [])
        if message not in messages:
            messages.append(message)
    for (path, _), messages in by_path.items():
        yield f"{path}: {' or '.join(messages)}" if path else " or ".join(messages)


def _describe(item: dict[str, Any], model: type[BaseModel]) -> tuple[str, str]:
    """Key path and message of one pydantic error; labels of union branches are left out of the path."""
    path: list[str] = []
    models: list[type[BaseModel]] = [model]
    inside_model = True
    *parents, last = item["loc"] or ("",)
    for part in parents:
        if isinstance(part, int):
            path.append(f"[{part}]")
            continue
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if annotations:
            path.append(f".{part}")
            models = [found for annotation in annotations for found in _models_in(annotation)]
            inside_model = bool(models)
        elif not inside_model:  # a key of a plain mapping; a union label such as 'list[str]' carries no key
            path.append("" if "[" in part or part in _TYPE_LABELS else f".{part}")
        else:
            models = [m for m in models if m.__name__ == part] or models
    allowed = sorted({name for m in models for name in m.model_fields})
    if item["type"] == "extra_forbidden":
        where = "".join(path).lstrip(".")
        return where, f"the key {last!r} is not known{suggestion(last, allowed)} Allowed: {', '.join(allowed)}"
    if isinstance(last, int):
        path.append(f"[{last}]")
    elif last in allowed or (not inside_model and "[" not in last and last not in _TYPE_LABELS):
        path.append(f".{last}")
    return "".join(path).lstrip("."), _message(item)


_TYPE_LABELS = {"str", "int", "float", "bool", "dict", "list"}


def _message(item: dict[str, Any]) -> str:
    given = item.get("input")
    if item["type"] == "missing":
        return "this key is required"
    if item["type"] == "literal_error":
        expected = str(item["ctx"]["expected"])
        choices = [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(",")]
        return f"{given!r} is not allowed{suggestion(given, choices)} Allowed: {', '.join(choices)}"
    message = item["msg"].removeprefix("Value error, ").replace("Input should", "must").rstrip(".")
    if item["type"] == "value_error" or isinstance(given, dict | list):
        return message
    shown = repr(given)
    return f"{message}, but it is {shown if len(shown) <= 80 else shown[:77] + '...'}"


def no_such_file(key: str, name: str, folder: str, there: Iterable[str]) -> str:
    """Return, in words, that ``key`` names a registry file that is absent or broken, and which ones can be named."""
    return f"{key}: {folder}/{name}.yaml is absent or broken; there are: {', '.join(sorted(there)) or 'none'}"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation mentions, through unions, lists and Annotated."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models_in(argument)
