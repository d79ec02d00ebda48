"""Write docs/gallery.md from the recipe files and the recorded figures: ``python docs/gallery.py``.

A test fails when the page is not what this writes.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from datasel_assets.diagnostics.growth import fit_growth
from datasel_assets.specs.recipe import RecipeSpec, SelectSpec

PAGE = Path(__file__).with_name("gallery.md")
DATA = Path(__file__).resolve().parents[1] / "data"
RESULTS = DATA.parent / "benchmarks" / "results"
HEAD = """# Gallery of recipes

Written by `python docs/gallery.py` from the YAML files and `benchmarks/results/`; do not edit by hand.

Every method is a recipe over a handful of [samplers](yaml.md#samplers). `make run` carries out those of the first
table. Those of the second are used by copying them: `datasel add qdit` brings the recipe and every file that it reads.
Each file says at its top where it deviates from its paper, and why. *Needs* is what has to be computed before it.

*Cost* is that of the selection step alone: CPU seconds of one thread per million rows of pool, 3.5 % of them chosen.
A plain figure was measured at that size; one after ~ is extrapolated from the largest size measured by the power law
through the two largest sizes, both shown. `python -m benchmarks.recipe_cost` measures it, over a made-up pool with
vectors of 384 dimensions.

*Evidence* says how a small model trained on the selection compares with one trained on random rows of equal tokens: the
difference of the mean losses of a response token in nats (negative: the recipe is better) and half its 95 % interval
over the seeds, for held-out rows of the sources and for the targets. By chance, one in twenty of such intervals misses.
`python -m benchmarks.evidence` measures it. A dash: not measured for the file as it is now.
"""
NEEDED = {
    "vectors (MiniLM, 256 tokens)": ("full_pass", "embeddings"),
    "each compression of them": ("full_pass", "representations"),
    "scores of a proxy language model": ("token_scores", "proxy: datasel"),
    "near duplicates": ("near_duplicates", "datasel, 3 words (default)"),
}
"""What recipes need -> operation and implementation of ``benchmarks/results`` that measured it; linear in the rows."""

COLUMNS = (
    "| recipe | idea | source | sampler | needs | cost | evidence | when to use it |\n|---|---|---|---|---|---|---|---|"
)
MILLION = 1_000_000


def page(results: Path = RESULTS) -> str:
    """Return the whole page."""
    parts = [HEAD, *_needed(results)]
    costs, outcomes = (recorded(results, operation) for operation in ("recipe_cost", "evidence"))
    for folder, title in (("recipes", "Run by default"), ("gallery", "To copy")):
        parts.append(f"\n## {title}: `data/{folder}/`\n\n{COLUMNS}")
        own = [*(DATA / folder).glob("*.yaml"), *(DATA / folder / "sets").glob("*/recipes/*.yaml")]
        parts += [_line(path, costs, outcomes) for path in sorted(own, key=lambda path: path.stem)]
    return "\n".join(parts) + "\n"


def recorded(results: Path, operation: str) -> list[dict[str, Any]]:
    """Return the lines of ``benchmarks/results/<operation>.jsonl``, oldest first; none where it was never run."""
    file = results / f"{operation}.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.is_file() else []


def cost(lines: Sequence[dict[str, Any]]) -> str:
    """Return CPU seconds per million rows in words, from the lines of one recipe; the last of a size counts."""
    seconds = {line["n"]: line["cpu_s"] for line in lines}
    if not seconds:
        return "-"
    largest = sorted(seconds)[-2:]
    if largest[-1] >= MILLION:
        return f"{seconds[largest[-1]] * MILLION / largest[-1]:.2g}"
    at = f"{seconds[largest[-1]]:.2g} at {largest[-1]:,}"
    law = fit_growth(largest, [seconds[n] for n in largest])
    # A law through times of a few milliseconds tells of fixed costs.
    if len(largest) < 2 or seconds[largest[0]] < 0.01:
        return at
    return f"~{float(law.seconds(MILLION)):.2g} ({at}, n^{law.exponent:.1f})"


def evidence(lines: Sequence[dict[str, Any]]) -> str:
    """Return on which held-out sets a recipe beats random rows, loses or shows no difference; of the last trial."""
    last = [line for line in lines if line["evidence"] == lines[-1]["evidence"]]
    said = []
    for verdict, word in (("better than random", "better"), ("worse than random", "worse")):
        found = [
            f"{line['set']} {line['objective']:+.3f} ± {(line['high'] - line['low']) / 2:.3f}"
            for line in sorted(last, key=lambda line: line["objective"])
            if line["verdict"] == verdict
        ]
        said += [f"{word}: {', '.join(found)}"] if found else []
    even = sum(line["verdict"] == "no difference shown" for line in last)
    said += [f"no difference shown on {even} of {len(last)}"] if even else []
    return "; ".join(said) or "-"


def _needed(results: Path) -> list[str]:
    """Return a table of what the needs cost, as far as that was measured and grows with the rows."""
    rows = []
    for what, (operation, implementation) in NEEDED.items():
        found = [line for line in recorded(results, operation) if line["implementation"] == implementation]
        if found:
            seconds = found[-1]["cpu_s"] / found[-1]["n"] * MILLION
            rows.append(f"| {what} | {float(f'{seconds:.2g}'):,.0f} | {found[-1]['n']:,} |")
    head = "| what recipes need | CPU s per million rows, taken as linear | measured at |\n|---|---|---|"
    return ["\n".join((head, *rows))] if rows else []


def _line(path: Path, costs: Sequence[dict[str, Any]], outcomes: Sequence[dict[str, Any]]) -> str:
    spec = RecipeSpec.model_validate(yaml.safe_load(path.read_text("utf-8")))
    steps = " > ".join([*(_step(stage) for stage in spec.stages)])

    def own(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [line for line in lines if line["implementation"] == path.stem and line["method"] == spec.method()]

    figures = [cost(own(costs)), evidence(own(outcomes))]
    name = f"[{path.stem}](../{path.relative_to(DATA.parent).as_posix()})"
    cells = [name, spec.doc, spec.paper, steps, _needs(spec), *figures, spec.use]
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
