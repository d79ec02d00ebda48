"""Which other registry files a recipe cannot do without, and those in turn.

Belongs here: following names from file to file. Does not: whether a file is there and valid (``rules``), copying files.
"""

from collections.abc import Iterable, Iterator

from datasel_assets.indicators.score_kind import Need
from datasel_assets.indicators.score_kinds import KINDS, kind_of, score_name
from datasel_assets.indicators.tags import FAMILY as TAGS
from datasel_assets.indicators.tags import tags_file
from datasel_assets.registry.people import AskedOfPeople
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.answers import AnswersSpec, AskedRows, LocalSpec
from datasel_assets.specs.loop import FAMILY as LOOPS
from datasel_assets.specs.recipe import RecipeSpec

NEIGHBOURS = "neighbours"


def files_needed(spec: RecipeSpec, registry: Registry, settled: Iterable[str] = ()) -> list[str]:
    """Return the files that a recipe reads, relative to the data folder, sorted, itself aside.

    Args:
        spec: the recipe.
        registry: where they are looked up, and who says which file is meant where none is named.
        settled: keys of ``defaults.yaml`` for which some file is meant already, so that none has to be brought.
    """
    return _followed(_of_recipe(spec, registry, set(settled)), registry, set(settled))


def files_of_answers(name: str, registry: Registry) -> list[str]:
    """Return the files that the questions of ``answers/<name>.yaml`` are asked with, relative to the data folder."""
    return _followed(_of_file(f"answers/{name}.yaml", registry, set()), registry, set())


def _followed(files: Iterable[str], registry: Registry, settled: set[str]) -> list[str]:
    """Return files and those that they read in turn."""
    found: set[str] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _of_file(file, registry, settled)
    return sorted(found)


def _of_recipe(spec: RecipeSpec, registry: Registry, settled: set[str]) -> Iterator[str]:
    needs = spec.requires()
    for folder, names in (
        ("representations", needs.representations),
        ("targets", {target for _, target in needs.targets}),
        ("categories", needs.categories),
        ("tags", needs.tags),
    ):
        yield from (f"{folder}/{name}.yaml" for name in names)
    if needs.clusters or "semantic_duplicate" in needs.duplicates:
        yield from _meant("clusters", registry.clustered, settled)
    yield from _of_scores(needs.scores, registry, settled)


def _of_file(file: str, registry: Registry, settled: set[str]) -> Iterator[str]:
    folder, _, name = file.removesuffix(".yaml").partition("/")
    if folder == "categories" and (categories := registry.categories.get(name)):
        yield f"representations/{categories.representation}.yaml"
        yield f"targets/{categories.target}.yaml"
    if folder == "ratio" and (ratio := registry.ratio.get(name)):
        yield f"language_models/{ratio.model}.yaml"
        yield from (f"targets/{target}.yaml" for target in ratio.targets or ())
    if folder == "recipes" and (recipe := registry.recipes.get(name)):
        yield from _of_recipe(recipe, registry, settled)
        yield from [f"ratio/{name}.yaml"] if recipe.budget.from_ratio else []
    if folder == "representations" and (vectors := registry.representations.get(name)) and vectors.gradients:
        yield f"gradients/{vectors.gradients}.yaml"
    if folder == "dynamics" and (watched := registry.dynamics.get(name)):
        yield (
            f"language_models/{watched.model}.yaml"
            if watched.model
            else f"representations/{watched.representation}.yaml"
        )
    if folder == "runs" and (runs := registry.runs.get(name)):
        yield f"language_models/{runs.model}.yaml"
        yield from (f"targets/{target}.yaml" for target in runs.outcomes.targets or ())
        yield from [f"categories/{runs.categories}.yaml"] if runs.categories else []
        yield from _meant("clusters", registry.clustered, settled) if runs.units == "cluster" else ()
    if folder == "gradients" and (gradients := registry.gradients.get(name)):
        yield f"language_models/{gradients.model}.yaml"
    if folder == "loops" and (loop := registry.loops.get(name)):
        yield from (f"{named}/{other}.yaml" for _, named, other in loop.files)
        yield from _of_scores(loop.scores, registry, settled)
        yield from _meant("clusters", registry.clustered, settled) if loop.CLUSTERED else ()
    if folder == "answers" and (answers := registry.answers.get(name)):
        yield from _of_answers(answers, registry, settled)
    if folder == "answers" and isinstance(question := registry.labels.get(name), AskedOfPeople):
        yield from _of_rows(question.rows, registry, settled)
    if folder == "scores" and (score := registry.scores.get(name)):
        yield from _of_scores(kind_of(score).reads(score), registry, settled)
        for need in kind_of(score).needs(score):
            yield from _of_need(need, registry, settled)


def _of_answers(answers: AnswersSpec, registry: Registry, settled: set[str]) -> Iterator[str]:
    if isinstance(answers.provider, LocalSpec):
        yield f"language_models/{answers.provider.local}.yaml"
    if answers.distil:
        yield f"representations/{answers.distil.representation}.yaml"
    if answers.batch and answers.batch.representation:
        yield f"representations/{answers.batch.representation}.yaml"
    if answers.demonstrations:
        source = answers.demonstrations.source
        yield f"representations/{answers.demonstrations.representation}.yaml"
        yield f"answers/{source}.yaml" if source in registry.answers else registry.file_of_labels(source)
    if answers.replies_of:
        yield f"answers/{answers.replies_of}.yaml"
    yield from _of_rows(answers.rows, registry, settled)


def _of_rows(rows: AskedRows, registry: Registry, settled: set[str]) -> Iterator[str]:
    if rows.recipe:
        yield f"recipes/{rows.recipe}.yaml"
    if rows.categories:
        yield f"categories/{rows.categories}.yaml"
    if rows.score:
        yield from _of_scores([rows.score], registry, settled)


def _of_need(need: Need, registry: Registry, settled: set[str]) -> Iterator[str]:
    if need.what == "example":
        yield f"targets/{need.name}.yaml"
    elif need.what == "category":
        yield f"categories/{need.name}.yaml"
    elif need.what in ("gradients", "gradient_table"):
        yield f"gradients/{need.name}.yaml"
    elif need.what == "runs":
        yield f"runs/{need.name}.yaml"
    elif need.what in ("vector", "cluster", "distance"):
        if need.name is None:
            yield from _meant("clusters", registry.clustered, settled)
        else:
            yield f"representations/{need.name}.yaml"


def _of_scores(names: Iterable[str], registry: Registry, settled: set[str]) -> Iterator[str]:
    files = {score_name(name, spec): f"scores/{name}.yaml" for name, spec in registry.scores.items()}
    for score in names:
        family, _, column = score.partition(".")
        if family in KINDS:
            yield files.get(score, f"scores/{column}.yaml")
        elif folder := next((folder for folder, files in registry.families.items() if family in files), None):
            yield registry.file_of_labels(family) if folder == "labels" else f"{folder}/{family}.yaml"
        elif family == LOOPS:
            yield f"loops/{column}.yaml"
        elif family == TAGS:
            yield f"tags/{tags_file(column)}.yaml"
        elif family == NEIGHBOURS:
            yield from _meant("neighbours", registry.neighboured, settled)


def _meant(key: str, name: str | None, settled: set[str]) -> Iterator[str]:
    if key not in settled and name is not None:
        yield f"representations/{name}.yaml"
