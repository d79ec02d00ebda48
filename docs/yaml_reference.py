"""Write docs/yaml.md and docs/schema/*.json from the models of the registry files: ``python docs/yaml_reference.py``.

Belongs here: how a model is told to a reader and to an editor. Does not: what a file may say (the models), which model
a folder has (``registry.load``), the examples (``docs/examples/reference``). A test fails when page or schemas are not
what this writes. It is not called ``yaml.py``, which would stand in the way of PyYAML for every script of this folder.
"""

import inspect
import json
import re
import runpy
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types as at
import yaml
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema

from datasel_assets.registry.load import FILES, FOLDERS
from datasel_assets.samplers import SAMPLERS, stratify
from datasel_assets.samplers.greedy.objectives import OBJECTIVES
from datasel_assets.samplers.greedy.sampler import ObjectiveSpec
from datasel_assets.schema import check_slug

Model = type[BaseModel]

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "yaml.md"
SCHEMAS = DOCS / "schema"
EXAMPLES = DOCS / "examples" / "reference"
SHIPPED = DOCS.parent / "data"
anchor = runpy.run_path(str(DOCS / "hooks.py"))["anchor"]
DIALECT = "http://json-schema.org/draft-07/schema#"
DEFINITIONS = "#/$defs/"
YAML_WORDS = {"None": "null", "True": "true", "False": "false"}
_INLINED = {kind.Params for kind in OBJECTIVES.values()}
"""Models that stand inside the definition of another one."""
INPUT_OF = {"vectors": "representation", "queries": "target", "groups": "groups", "tags": "tags", "scores": "by"}
"""Part of a pool that a sampler reads -> the key that says which; what has no key (texts, label graphs) is implied."""

SEVERAL = {"scores": "A score, one column for each file.", "loops": "A selection that is made in rounds."}
"""What is said of a folder whose files are of several kinds."""

HEAD = """# YAML reference

Written by `python docs/yaml_reference.py` from the models that read the files; do not edit by hand.

Everything that is declared is a YAML file in the data folder (`data/`, or where `DATASEL_DATA` or `--data` points).
The name of a file is the name of what it declares: 1 to 63 lower-case letters, digits, `_` or `-`, beginning with a
letter or a digit. A key that is not listed here is an error, not a comment, and so is a key given twice. `null` is the
same as leaving a key out. A file with a mistake is left out with one message that names the file, the key and what is
allowed; the others are used. `datasel check` reads all files and says of each whether it, its dataset and its model can
be used.

Where a key takes a score, that is a length of the row (`n_tokens`, `n_response_tokens`, `n_chars`, `response_chars`,
`prompt_chars`, `n_turns`), an [indicator](indicators.md) as `<family>.<column>`, or a [score that is a
file](declared_scores.md), such as `blend.quality`; where a sampler has `recluster`, `cluster_distance` too.
"""
EDITOR = """
## Completion in your editor

For every kind of file there is a JSON Schema in `docs/schema/`, of which `datasel init FOLDER` and `datasel add RECIPE`
put a copy into `.schema/` of the data folder. Editors with the YAML language server (VS Code with the Red Hat YAML
extension, Neovim, Emacs, JetBrains) complete keys, show what they mean and underline mistakes in every file that names
its schema at its top, as all shipped ones do:

```yaml
# data/recipes/mine.yaml
# yaml-language-server: $schema=../.schema/recipes.json
paper: baseline
select: {sampler: random}
budget: {rows: 1000}
```

A schema knows keys, types and bounds; what must agree between keys or between files is found by `datasel check`, which
names the line.
"""


def alternatives(model: Any) -> list[Model]:
    """Return the models that a file of a folder may satisfy: one, or what its chooser may return."""
    if isinstance(model, type):
        return [model]
    (returned,) = get_args(get_type_hints(model)["return"])
    return list(get_args(returned) or [returned])


def choices(model: Model) -> Mapping[str, Any]:
    """Return name -> module or class with ``Params``, for a model whose further keys depend on a name in it."""
    if "params" not in model.model_fields:
        return {}
    if model is ObjectiveSpec:
        return OBJECTIVES
    return stratify.INNER if model is stratify.Inner else SAMPLERS


def nested(model: Model) -> list[Model]:
    """Return the models that the keys of a model may hold, in the order of the keys."""
    return list(dict.fromkeys(m for field in model.model_fields.values() for m in _models_in(field.annotation)))


def reachable(model: Model, known: dict[Model, None] | None = None) -> dict[Model, None]:
    """Return a model and all that it may hold, the parameters of samplers and objectives too, in reading order."""
    known = {} if known is None else known
    if model not in known:
        known[model] = None
        for other in (*nested(model), *(choice.Params for choice in choices(model).values())):
            reachable(other, known)
    return known


def meanings(model: Model) -> dict[str, str]:
    """Return key -> what its docstrings say under ``Attributes``, those of base classes included."""
    found: dict[str, str] = {}
    for owner in model.__mro__:
        section = (inspect.cleandoc(owner.__doc__ or "") + "\n").partition("Attributes:\n")[2].partition("\n\n")[0]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.M):
            found.setdefault(name, _plain(text))
    return found


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, "| file | declares | schema |\n|---|---|---|"]
    kinds = [(name, alternatives(model)) for name, model in chain(FOLDERS.items(), FILES.items())]
    for name, models in kinds:
        stem = name.removesuffix(".yaml")
        what = _summary(models[0]) if len(models) == 1 else SEVERAL[name]
        parts.append(f"| [`{_files(name)}`](#{anchor(stem)}) | {what} | [{stem}.json](schema/{stem}.json) |")
    parts.append(EDITOR)
    described: set[Model] = set()
    for name, models in kinds:
        parts.append(f"\n## {name.removesuffix('.yaml')}\n\nFiles: `{_files(name)}`.")
        parts += [f"\n```yaml\n# {file}\n{text}```" for file, text in _examples(name)]
        for model in models:
            parts.append(_described(model, f"### {_title(model)}" if len(models) > 1 else ""))
            described.add(model)
        for model in chain.from_iterable(reachable(model) for model in models):
            # What only samplers hold is described with the samplers.
            if model not in described and not model.__module__.startswith("datasel_assets.samplers"):
                described.add(model)
                parts.append(_described(model, f"### {_title(model)}"))
    parts.append(_samplers())
    return "\n".join(parts) + "\n"


def _described(model: Model, heading: str) -> str:
    """Return what a model is for and the table of its keys."""
    lines = []
    said = meanings(model)
    for name, field in model.model_fields.items():
        if name == "params":
            continue
        value = _words(field.annotation, field.metadata)
        if name in ("sampler", "name") and choices(model):
            value = "text" if model is ObjectiveSpec else "[sampler](#samplers)"
        meaning = said.get(name, "")
        lines.append((f"`{field.alias or name}`", value, _default(field), meaning[:1].upper() + meaning[1:]))
    if choices(model):
        lines.append(("...", "", "", f"The keys of the {'objective' if model is ObjectiveSpec else 'sampler'}."))
    table = _table(("key", "value", "default", "meaning"), lines) if lines else ""
    return "\n".join(f"\n{part}" for part in (heading, _summary(model), table) if part)


def _samplers() -> str:
    """Return the section on samplers and on the objectives of one of them."""
    rows = []
    for name, module in SAMPLERS.items():
        reads = [*_inputs(module.REQUIRES), *(["what its keys ask for"] if hasattr(module.Params, "requires") else [])]
        rows.append((f"[`{name}`](#sampler-{name})", _first_line(module), ", ".join(reads)))
    parts = ["\n## Samplers\n\nWhat `sampler` may name, and the keys that then stand beside it.\n"]
    parts.append(_table(("sampler", "chooses", "reads"), rows))
    for name, module in SAMPLERS.items():
        parts.append(_described(module.Params, f"### Sampler {name}"))
        own = [model for model in nested(module.Params) if model not in (ObjectiveSpec, stratify.Inner)]
        parts += [_described(model, f"#### {_title(model)}") for model in own]
    parts.append(_described(stratify.Inner, f"### {_title(stratify.Inner)}"))
    parts.append(_described(ObjectiveSpec, f"### {_title(ObjectiveSpec)}"))
    kinds = [
        (f"`{name}`", _first_line(inspect.getmodule(kind)), ", ".join(_inputs(kind.REQUIRES)))
        for name, kind in OBJECTIVES.items()
    ]
    parts.append("\n" + _table(("objective", "maximises", "reads"), kinds))
    parts += [_described(k.Params, f"#### Objective {n}") for n, k in OBJECTIVES.items() if k.Params.model_fields]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def schemas() -> dict[str, str]:
    """Return name of the file in ``docs/schema`` -> its text."""
    found = {}
    for name, model in chain(FOLDERS.items(), FILES.items()):
        tops = alternatives(model)
        models = list(dict.fromkeys(chain.from_iterable(reachable(top) for top in tops)))
        keys, made = models_json_schema([(m, "validation") for m in models], ref_template=f"{DEFINITIONS}{{model}}")
        names = {m: keys[m, "validation"]["$ref"].removeprefix(DEFINITIONS) for m in models}
        known = {m: _definition(m, made["$defs"][names[m]]) for m in models}
        known |= {m: _chosen(m, known) for m in models if choices(m)}
        document: dict[str, Any] = {"$schema": DIALECT, "title": _files(name)}
        document["anyOf" if len(tops) > 1 else "allOf"] = [{"$ref": DEFINITIONS + names[top]} for top in tops]
        # Parameters of samplers stand inside the samplers.
        document["$defs"] = {names[m]: known[m] for m in models if m.__name__ != "Params" and m not in _INLINED}
        found[f"{name.removesuffix('.yaml')}.json"] = (
            json.dumps(_draft_7(document), indent=1, ensure_ascii=False) + "\n"
        )
    return found


def _definition(model: Model, own: dict[str, Any]) -> dict[str, Any]:
    """Return the definition of a model with the meaning of each key, and without titles that only repeat names."""
    said = meanings(model)
    said |= {field.alias: said[name] for name, field in model.model_fields.items() if field.alias and name in said}
    properties = {}
    for name, given in own.get("properties", {}).items():
        shape = {key: value for key, value in given.items() if key != "title"}
        if name in said:
            # Beside a "$ref" other keys are ignored in this dialect.
            shape = {"allOf": [{"$ref": shape.pop("$ref")}], **shape} if "$ref" in shape else shape
            shape["description"] = said[name].replace("`", "")
        properties[name] = shape
    kept = {key: value for key, value in own.items() if key not in ("title", "description", "properties")}
    return {**kept, "description": _summary(model).replace("`", ""), "properties": properties}


def _chosen(model: Model, known: Mapping[Model, dict[str, Any]]) -> dict[str, Any]:
    """Return the definition of a model whose further keys depend on the sampler or objective that it names."""
    by = "name" if "name" in model.model_fields else "sampler"
    common = {name: shape for name, shape in known[model]["properties"].items() if name not in (by, "params")}
    default = model.model_fields[by].default
    shapes: list[dict[str, Any]] = [{"enum": sorted(OBJECTIVES)}] if model is ObjectiveSpec else []
    for name, choice in choices(model).items():
        params = known[choice.Params]
        shapes.append(
            {
                "type": "object",
                "properties": {by: {"const": name}, **common, **params["properties"]},
                "required": [*([] if name == default else [by]), *params.get("required", [])],
                "additionalProperties": False,
            }
        )
    return {"description": known[model]["description"], "anyOf": shapes}


def _draft_7(value: Any) -> Any:
    """Return a schema in the dialect that editors know best; ``off`` is YAML's other word for false."""
    if isinstance(value, list):
        return [_draft_7(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("const") is False:
        return {"enum": [False, "off"]}
    plain = {key: _draft_7(item) for key, item in value.items() if key != "discriminator"}
    if "prefixItems" in plain:
        plain["items"] = plain.pop("prefixItems")
    return plain


def _words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return in words what a key takes."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(a, metadata) for a in arguments if a is not type(None)))
    if origin is Literal:
        return ", ".join("`off`" if value is False else f"`{value}`" for value in arguments)
    if origin is tuple and Ellipsis not in arguments:
        return f"list of {len(arguments)}: {', '.join(map(_words, arguments))}"
    if origin in (tuple, list):
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"mapping of {_words(arguments[0])} to {_words(arguments[1])}"
    if annotation is bool:
        return "`true`, `false`"
    if annotation in (int, float):
        return ("whole number" if annotation is int else "number") + _bounds(metadata)
    if annotation is str:
        slug = any(isinstance(m, AfterValidator) and m.func is check_slug for m in _flat(metadata))
        return "name" if slug else "text"
    return f"[{_title(annotation)}](#{anchor(_title(annotation))})"


def _inputs(parts: frozenset[str]) -> list[str]:
    return [f"`{INPUT_OF[part]}`" for part in sorted(parts) if part in INPUT_OF]


def _files(name: str) -> str:
    return f"data/{name}" if name.endswith(".yaml") else f"data/{name}/*.yaml"


def _examples(name: str) -> Iterator[tuple[str, str]]:
    """Give path and text of the examples of a folder or file, or of a shipped file where there are none."""
    own = [EXAMPLES / name] if name in FILES else sorted((EXAMPLES / name).glob("*.yaml"))
    found = [path for path in own if path.is_file()]
    if not found:
        found = [SHIPPED / name] if name in FILES else sorted((SHIPPED / name).glob("*.yaml"))[:1]
    for path in found:
        yield f"data/{name}" if name in FILES else f"data/{name}/{path.name}", path.read_text("utf-8")


def _models_in(annotation: Any) -> Iterator[Model]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _title(model: Model) -> str:
    """Return the heading of a model: the words of its class name."""
    if model is ObjectiveSpec:
        return "Objectives of greedy"
    return " ".join(re.findall(r"[A-Z][a-z0-9]*", model.__name__.removesuffix("Spec"))).capitalize()


def _first_line(described: Any) -> str:
    return _plain(inspect.cleandoc(described.__doc__ or "").partition("\n")[0])


def _summary(model: Model) -> str:
    """Return the first paragraph of a docstring."""
    return _plain(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0])


def _plain(text: str) -> str:
    """Return docstring text as Markdown in one line, with the words of YAML for those of Python."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text).replace("``", "`")
    text = re.sub(r"(?<!`)\b(None|True|False)\b(?!`)", lambda m: f"`{YAML_WORDS[m[1]]}`", text)
    return " ".join(text.split())


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    """Give constraints one by one; ``Field(...)`` inside ``Annotated`` holds several."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _bounds(metadata: Sequence[Any]) -> str:
    """Return the bounds of a number, to be put behind the word for it."""
    bounds = list(_flat(metadata))
    low = next((item for item in bounds if isinstance(item, at.Ge | at.Gt)), None)
    high = next((item for item in bounds if isinstance(item, at.Le | at.Lt)), None)
    if isinstance(low, at.Ge) and isinstance(high, at.Le):
        return f" from {_number(low.ge)} to {_number(high.le)}"
    said = []
    if low is not None:
        said.append(f"{_number(low.ge)} or more" if isinstance(low, at.Ge) else f"above {_number(low.gt)}")
    if high is not None:
        said.append(f"at most {_number(high.le)}" if isinstance(high, at.Le) else f"below {_number(high.lt)}")
    return "".join(f", {bound}" for bound in said)


def _number(value: Any) -> str:
    if isinstance(value, int) and value >= 2**31:
        return f"2^{value.bit_length() - 1}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        given = {
            key: item for key, item in value.model_dump(mode="json", exclude_defaults=True).items() if item is not None
        }
        return f"`{_flow(given)}`" if given else "its defaults"
    return "" if value is None or value in ("", (), [], {}) else f"`{_flow(value)}`"


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
    return text.strip().removesuffix("...").strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMAS.mkdir(exist_ok=True)
    for file, text in schemas().items():
        (SCHEMAS / file).write_text(text, encoding="utf-8")
