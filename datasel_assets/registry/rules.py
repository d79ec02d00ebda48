"""What must agree between the registry files of one data folder: one function for each rule.

Belongs here: rules that no single file can break alone, and the order in which they are applied. Does not: those of
answers (``answer_rules``), what one file may say (``specs``), what is absent in words (``absent``), reading files
(``load``).

A rule takes the files that are valid so far and returns, for each file that breaks it, what is wrong in words. One such
file at a time is taken out, before the rule is asked again: a file that reads a broken one is then reported as reading
what does not exist. Rules stand in the order in which files refer to each other, so that every rule sees the files it
looks into after they were checked themselves; where files refer to each other in a circle (answers about the rows of a
recipe that reads answers) all rules are asked again once a file was taken out.
"""

from collections.abc import Callable, Mapping
from graphlib import CycleError

from datasel_assets.indicators.score_kinds import kind_of
from datasel_assets.registry.absent import (
    DUPLICATES_FILE,
    dangling,
    lacks,
    made_for_recipes_alone,
    unknown_score,
    why_no_clusters,
)
from datasel_assets.registry.answer_rules import (
    near_duplicates_are_adjudicated,
    questions_are_about_rows_that_are_there,
    questions_can_be_asked,
    questions_can_be_asked_together,
)
from datasel_assets.registry.base import Problems, no_such_file
from datasel_assets.registry.gradients import contradicts, not_kept
from datasel_assets.registry.registry import DEFAULTS_FILE, Registry
from datasel_assets.registry.score import RESERVED, score_order
from datasel_assets.specs.answers import LocalSpec
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.specs.influence import InfluenceSpec
from datasel_assets.specs.loop import QuadSpec
from datasel_assets.specs.recipe import OWN_GROUPS
from datasel_assets.specs.score import PairSimilaritySpec
from datasel_assets.storage.conditions import refuse_unasked

PROXY_EVAL_FILE = "proxy_eval.yaml"

NAMES_OF_TABLES = (
    *("targets", "representations", "evaluations", "language_models", "gradients", "tags", "categories", "scores"),
    *("dynamics", "runs", "loops", "documents", "extractions", "answers", "labels", "recipes"),
)
"""Folders whose file names become names of tables; those of sources become partitions, which may differ in anything."""


def names_collide(registry: Registry) -> Problems:
    """No two files of a folder have names that differ only in '-' and '_': their tables would share a Dagster op."""
    found = {}
    for folder in NAMES_OF_TABLES:
        seen: set[str] = set()
        for name in sorted(getattr(registry, folder)):
            if (plain := name.replace("-", "_")) in seen:
                what = "its name differs from another file only in '-' and '_'; rename one of them"
                found[f"{folder}/{name}.yaml"] = what
            seen.add(plain)
    return found


def encoders_share_a_table(registry: Registry) -> Problems:
    """No two encoders have one table name: models that differ only in their owner."""
    wholes = {f"representations/{n}.yaml": spec.encoder for n, spec in registry.representations.items() if spec.encoded}
    sides = {f"scores/{n}.yaml": s.encoder for n, s in registry.scores.items() if isinstance(s, PairSimilaritySpec)}
    return _share_a_table(wholes, "encoder") | _share_a_table(sides, "model")


def _share_a_table(encoders: Mapping[str, EncoderSpec], key: str) -> dict[str, str]:
    """Return what to say of each file whose encoder has the table name of another one."""
    seen: dict[str, dict[str, object]] = {}
    found = {}
    for file, encoder in sorted(encoders.items()):
        if seen.setdefault(encoder.slug, encoder.identity()) != encoder.identity():
            found[file] = (
                f"{key}: {encoder.model!r} would share its table {encoder.slug!r} with another model of that base "
                "name; copy one of them to a folder of another name, or give it a revision"
            )
    return found


def runs_read_what_is_there(registry: Registry) -> Problems:
    """The model, the targets and what the units are of are there."""
    found = {}
    for name, spec in registry.runs.items():
        named = [("model", spec.model, "language_models"), ("categories", spec.categories, "categories")]
        named += [("outcomes.targets", target, "targets") for target in spec.outcomes.targets or ()]
        for key, other, folder in named:
            if other is not None and other not in (there := getattr(registry, folder)):
                found[f"runs/{name}.yaml"] = no_such_file(key, other, folder, there)
        if spec.units == "cluster" and not registry.clustered:
            found[f"runs/{name}.yaml"] = f"its units are clusters{why_no_clusters(registry)}"
    return found


def evaluations_compare_by_a_representation(registry: Registry) -> Problems:
    """The representation of the tier ``embedding`` is there."""
    return {
        f"evaluations/{name}.yaml": no_such_file(
            "embedding.representation", tier.representation, "representations", registry.representations
        )
        for name, spec in registry.evaluations.items()
        if (tier := spec.embedding) and tier.representation not in registry.representations
    }


def evaluations_are_encoded(registry: Registry) -> Problems:
    """The representation of the tier ``embedding`` has an encoder: others have no vectors of evaluation items."""
    there = [name for name, spec in sorted(registry.representations.items()) if spec.encoded]
    return {
        f"evaluations/{name}.yaml": f"embedding.representation: {tier.representation!r} brings its own vectors and has "
        f"none of the items; name one with an encoder: {', '.join(there) or 'there is none'}"
        for name, spec in registry.evaluations.items()
        if (tier := spec.embedding) and tier.representation in registry.representations
        if not registry.representations[tier.representation].encoded
    }


def gradients_are_of_a_model_that_is_there(registry: Registry) -> Problems:
    """The model whose gradients are taken is there."""
    return {
        f"gradients/{name}.yaml": no_such_file("model", spec.model, "language_models", registry.language_models)
        for name, spec in registry.gradients.items()
        if spec.model not in registry.language_models
    }


def gradients_ask_for_what_their_model_keeps(registry: Registry) -> Problems:
    """The checkpoints and the moments that gradients are made with are kept by their model."""
    found = {name: not_kept(spec, registry.language_models) for name, spec in registry.gradients.items()}
    return {f"gradients/{name}.yaml": problem for name, problem in found.items() if problem}


def representations_are_of_gradients_that_are_there(registry: Registry) -> Problems:
    """The gradients that a representation is made of are there."""
    return {
        f"representations/{name}.yaml": no_such_file(
            "source.gradients", spec.gradients, "gradients", registry.gradients
        )
        for name, spec in registry.representations.items()
        if spec.gradients and spec.gradients not in registry.gradients
    }


def files_have_a_family_of_their_own(registry: Registry) -> Problems:
    """No file whose name is a family of scores is named like another family."""
    taken, found = set(RESERVED), {}
    for folder, files in registry.families.items():
        for name in taken & set(files):
            found[f"{folder}/{name}.yaml"] = f"the name {name!r} belongs to another family of scores; rename it"
        taken |= set(files)
    return found


def labels_ask_about_what_is_there(registry: Registry) -> Problems:
    """The score by which rows are asked about is there, and so are the sources that they are of."""
    known, found = registry.score_keep(), {}
    for name, spec in registry.labels.items():
        absent = sorted(set(spec.ask.sources or ()) - registry.source_names)
        if absent:
            found[f"labels/{name}.yaml"] = no_such_file("ask.sources", absent[0], "sources", registry.source_names)
        elif spec.ask.score and (problem := unknown_score([spec.ask.score], registry, known)):
            found[f"labels/{name}.yaml"] = f"ask.score: {problem}"
    return found


def dynamics_read_what_is_there(registry: Registry) -> Problems:
    """The model or the representation of a training is there."""
    found = {}
    for name, spec in registry.dynamics.items():
        for key, named, folder, there in (
            ("model", spec.model, "language_models", registry.language_models),
            ("representation", spec.representation, "representations", registry.representations),
        ):
            if named is not None and named not in there:
                found[f"dynamics/{name}.yaml"] = no_such_file(key, named, folder, there)
    return found


def proxy_evaluation_starts_from_a_proxy(registry: Registry) -> Problems:
    """The model of ``proxy_eval.yaml`` is there and trained on the pool."""
    wanted, proxies = registry.proxy_eval and registry.proxy_eval.model, registry.candidates("proxy")
    if not wanted or wanted in proxies:
        return {}
    return {PROXY_EVAL_FILE: f"model: {wanted!r} is not a proxy; there are: {', '.join(proxies) or 'none'}"}


def categories_read_what_is_there(registry: Registry) -> Problems:
    """Representation and target of a division into categories are there, and its name is no group of every pool."""
    found = {}
    for name, spec in registry.categories.items():
        for key, named, there in (
            ("representation", spec.representation, registry.representations),
            ("target", spec.target, registry.targets),
        ):
            if named not in there:
                found[f"categories/{name}.yaml"] = no_such_file(key, named, f"{key}s", there)
        if name in OWN_GROUPS:
            found[f"categories/{name}.yaml"] = f"every pool has the group {name!r} already; rename the file"
    return found


def scores_can_be_made(registry: Registry) -> Problems:
    """What a score is made from is there, and no scores are made from each other in a circle."""
    known = registry.score_keep()
    found = {}
    for name, spec in registry.scores.items():
        problem = unknown_score(kind_of(spec).reads(spec), registry, known) or lacks(spec, registry)
        if problem := problem or contradicts(spec, registry):
            found[f"scores/{name}.yaml"] = problem
    try:
        score_order(registry.scores)
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        for name in error.args[1]:
            found[f"scores/{name}.yaml"] = f"scores are made from each other in a circle: {circle}"
    return found


def loops_read_what_is_there(registry: Registry) -> Problems:
    """The files and scores that a loop is made with are there, and the clusters."""
    found = {}
    known = registry.score_keep()
    for name, spec in registry.loops.items():
        if problem := unknown_score(spec.scores, registry, known) or made_for_recipes_alone(spec.scores, registry):
            found[f"loops/{name}.yaml"] = problem
        for key, folder, named in spec.files:
            there = getattr(registry, folder)
            if key == "influence":
                # Rows are tried one by one: turns are a matter of the whole pool.
                there = {
                    other: score
                    for other, score in there.items()
                    if isinstance(score, InfluenceSpec) and score.reduce != "round_robin"
                }
            if named not in there:
                found[f"loops/{name}.yaml"] = no_such_file(key, named, folder, there)
            elif isinstance(spec, QuadSpec) and spec.bandit.prior == "similarity" and there[named].target is None:
                found[f"loops/{name}.yaml"] = (
                    f"bandit.prior: clusters are likened to the examples of a target, and scores/{named}.yaml has "
                    "none: say 'bandit: {prior: none}'"
                )
        if spec.CLUSTERED and not registry.clustered:
            found[f"loops/{name}.yaml"] = f"it needs clusters{why_no_clusters(registry)}"
    return found


def extractions_read_what_is_there(registry: Registry) -> Problems:
    """The documents, the target and the model of an extraction are there, and the model is not made from its rows."""
    found = {}
    for name, spec in registry.extractions.items():
        asked = spec.extractor.provider if spec.extractor else None
        if isinstance(asked, LocalSpec):
            model, file = registry.language_models.get(asked.local), f"extractions/{name}.yaml"
            if model is None:
                found[file] = no_such_file(
                    "extractor.provider.local", asked.local, "language_models", registry.language_models
                )
            elif model.is_local:
                found[file] = (
                    f"extractor.provider.local: {asked.local} is trained on the pool, which the rows become part of; "
                    "name a model that is there already"
                )
        for unknown in sorted(set(spec.documents) - set(registry.documents)):
            found[f"extractions/{name}.yaml"] = no_such_file("documents", unknown, "documents", registry.documents)
        if spec.target not in registry.targets:
            found[f"extractions/{name}.yaml"] = no_such_file("target", spec.target, "targets", registry.targets)
    return found


def duplicates_are_ranked_by_a_score(registry: Registry) -> Problems:
    """The score that decides which near duplicate stays is there."""
    by = registry.duplicates.near.score if registry.duplicates else None
    problem = unknown_score([by], registry, registry.score_keep()) if by else None
    return {DUPLICATES_FILE: f"near.score: {problem}"} if problem else {}


def defaults_are_settled(registry: Registry) -> Problems:
    """Where several files could be meant ``defaults.yaml`` names one, and what it names is there.

    The error stops what needs the file that is meant, and nothing else (:meth:`Registry.unsettled`).
    """
    keys = type(registry.defaults).model_fields
    problems = [problem for key in keys if (problem := registry.unsettled(key))]
    if not problems or DEFAULTS_FILE in registry.errors:
        return {}
    return {DEFAULTS_FILE: problems[0] if len(problems) == 1 else "".join(f"\n  - {problem}" for problem in problems)}


def ratios_are_of_recipes_that_are_there(registry: Registry) -> Problems:
    """A file in ``ratio/`` is named like a recipe, and its model and targets are there."""
    found = {}
    for name, spec in registry.ratio.items():
        named = [("model", spec.model, "language_models")]
        named += [("targets", target, "targets") for target in spec.targets or ()]
        for key, other, folder in named:
            if other not in (there := getattr(registry, folder)):
                found[f"ratio/{name}.yaml"] = no_such_file(key, other, folder, there)
        if name not in registry.recipes:
            there = ", ".join(sorted(registry.recipes))
            found[f"ratio/{name}.yaml"] = (
                f"recipes/ has no usable file {name}.yaml, and a file in ratio/ is named like "
            )
            found[f"ratio/{name}.yaml"] += f"the recipe that it is about; there are: {there}"
    return found


def recipes_find_their_fraction(registry: Registry) -> Problems:
    """A recipe that takes its fraction from trainings has a file that says how they are carried out."""
    return {
        f"recipes/{name}.yaml": f"budget.fraction: from_ratio needs ratio/{name}.yaml, which says how it is found"
        for name, spec in registry.recipes.items()
        if spec.budget.from_ratio and name not in registry.ratio
    }


def recipes_read_what_is_there(registry: Registry) -> Problems:
    """What a recipe reads is there."""
    known = registry.score_keep()
    return {
        f"recipes/{name}.yaml": problem
        for name, spec in registry.recipes.items()
        if (problem := next(dangling(spec, registry, known), None))
    }


def conditions_can_be_asked(registry: Registry) -> Problems:
    """The conditions of drop rules are SQL that computes with the values of one row."""
    found = {}
    for name, spec in registry.recipes.items():
        for number, rule in enumerate(spec.drop):
            if rule.condition is None:
                continue
            try:
                refuse_unasked(rule.condition)
            except ValueError as error:
                found[f"recipes/{name}.yaml"] = f"drop[{number}].{error}"
    return found


RULES: tuple[Callable[[Registry], Problems], ...] = (
    names_collide,
    encoders_share_a_table,
    files_have_a_family_of_their_own,
    questions_can_be_asked,
    questions_can_be_asked_together,
    near_duplicates_are_adjudicated,
    gradients_are_of_a_model_that_is_there,
    gradients_ask_for_what_their_model_keeps,
    representations_are_of_gradients_that_are_there,
    dynamics_read_what_is_there,
    evaluations_compare_by_a_representation,
    evaluations_are_encoded,
    proxy_evaluation_starts_from_a_proxy,
    categories_read_what_is_there,
    runs_read_what_is_there,
    scores_can_be_made,
    loops_read_what_is_there,
    extractions_read_what_is_there,
    labels_ask_about_what_is_there,
    duplicates_are_ranked_by_a_score,
    defaults_are_settled,
    recipes_read_what_is_there,
    conditions_can_be_asked,
    questions_are_about_rows_that_are_there,
    ratios_are_of_recipes_that_are_there,
    recipes_find_their_fraction,
)
