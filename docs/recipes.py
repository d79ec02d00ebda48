"""Write docs/recipes.md from the recipe files: ``python docs/recipes.py``.

A test fails when the page is not what this writes.
"""

from pathlib import Path

import yaml

from datasel_assets.recipes.schema import RecipeSpec, SelectSpec

PAGE = Path(__file__).with_name("recipes.md")
DATA = Path(__file__).resolve().parents[1] / "data"
HEAD = """# Recipes

Written by `python docs/recipes.py` from the YAML files; do not edit by hand.

Every method is a recipe over a handful of samplers. Those of the first table are carried out by `make run`; those of
the second are copied into `data/recipes/` to be used: `cp data/gallery/qdit.yaml data/recipes/`. A file says at its top
what it deviates in from its paper, and why. *Needs* is what has to be computed before; a recipe without needs costs a
sort.
"""
COLUMNS = "| recipe | idea | source | sampler | needs | when to use it |\n|---|---|---|---|---|---|"


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for folder, title in (("recipes", "Carried out by default"), ("gallery", "To copy")):
        parts.append(f"\n## {title}: `data/{folder}/`\n\n{COLUMNS}")
        parts += [_line(path, folder) for path in sorted((DATA / folder).glob("*.yaml"))]
    return "\n".join(parts) + "\n"


def _line(path: Path, folder: str) -> str:
    spec = RecipeSpec.model_validate(yaml.safe_load(path.read_text("utf-8")))
    steps = " > ".join([*(_step(stage) for stage in spec.stages)])
    cells = [f"[{path.stem}](../data/{folder}/{path.name})", spec.doc, spec.paper, steps, _needs(spec), spec.use]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _step(stage: SelectSpec) -> str:
    inner = f" of {stage.params.inner.sampler}" if stage.sampler == "stratify" else ""
    return f"`{stage.sampler}`{inner}"


def _needs(spec: RecipeSpec) -> str:
    needs = spec.requires()
    found = [f"vectors `{name}`" for name in sorted(needs.representations)]
    found += [f"target `{name}`" for name in sorted({target for _, target in needs.targets})]
    found += ["clusters"] if needs.clusters else []
    found += [f"categories `{name}`" for name in sorted(needs.categories)]
    found += [f"tags `{name}`" for name in sorted(needs.tags)]
    found += [f"{kind.replace('_', ' ')}s" for kind in needs.duplicates]
    families: dict[str, list[str]] = {}
    for score in sorted(needs.scores):
        family, _, column = score.partition(".")
        families.setdefault(family, []).append(column)
    found += [f"{family}: {', '.join(columns)}" for family, columns in families.items()]
    return "; ".join(found) or "nothing"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
