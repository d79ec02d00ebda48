"""Which tables a registry means, and every kind of table there is.

Belongs here: one line per group of tables in ``GROUPS``. Does not belong here: what any table holds.

A kind of table is added with one file in this folder, which names its ``Kind`` and has a function that returns its
tables for a registry; with one line in ``GROUPS``; and with one test. Whatever goes by kind (what lies in the lake once
per source, which views the catalog has, what ``prune`` takes along) is told by the ``Kind`` and listed nowhere else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from datasel_assets.indicators.score_kinds import kind_of as score_kind
from datasel_assets.registry.base import RegistryError
from datasel_assets.registry.families import families_read
from datasel_assets.registry.gradients import gradients_in_use, kept_of_trainings
from datasel_assets.registry.loops import loops_in_use
from datasel_assets.registry.registry import DEFAULTS_FILE, Registry
from datasel_assets.registry.score import scores_in_use, scores_read
from datasel_assets.specs.score import PairSimilaritySpec
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.answers.answers import ANSWERS, answer_table
from datasel_assets.tables.answers.scores import ANSWER_SCORES, answer_score_table
from datasel_assets.tables.catalog import CATALOG, catalog_table
from datasel_assets.tables.contamination.contamination import CONTAMINATION, contamination_tables
from datasel_assets.tables.contamination.evaluations import EVALUATIONS
from datasel_assets.tables.contamination.item_neighbours import EVALUATION_NEIGHBOURS
from datasel_assets.tables.contamination.review import CONTAMINATION_REVIEW
from datasel_assets.tables.contamination.threshold import EVALUATION_THRESHOLD
from datasel_assets.tables.corpus.conversations import CORPUS, corpus_table
from datasel_assets.tables.corpus.raw_corpus import RAW_CORPUS, raw_corpus_table
from datasel_assets.tables.corpus.targets import TARGETS, target_table
from datasel_assets.tables.documents.documents import DOCUMENTS, documents_table
from datasel_assets.tables.documents.extractions import EXTRACTIONS, extraction_table
from datasel_assets.tables.duplicates.exact_duplicates import DUPLICATES, duplicates_table
from datasel_assets.tables.duplicates.minhash import MINHASH
from datasel_assets.tables.duplicates.near_duplicates import NEAR_DUPLICATES, duplicate_tables
from datasel_assets.tables.duplicates.near_pairs import NEAR_PAIRS
from datasel_assets.tables.duplicates.semantic_duplicates import SEMANTIC_DUPLICATES
from datasel_assets.tables.dynamics.watched import DYNAMICS, dynamics_tables
from datasel_assets.tables.labels.label_answers import LABEL_ANSWERS
from datasel_assets.tables.labels.label_scores import label_tables
from datasel_assets.tables.labels.label_tasks import LABEL_TASKS
from datasel_assets.tables.labels.label_truth import LABEL_TRUTH
from datasel_assets.tables.language_models.proxy import proxy_table
from datasel_assets.tables.language_models.token_scores import token_scores
from datasel_assets.tables.language_models.token_statistics import TOKEN_STATISTICS, token_statistics
from datasel_assets.tables.loops.loops import loop_tables
from datasel_assets.tables.loops.outcome import LOOPS
from datasel_assets.tables.planning import with_all_they_read
from datasel_assets.tables.ratio.ratio import RATIO, ratio_table
from datasel_assets.tables.runs.effects import RUN_EFFECTS, run_effects_table
from datasel_assets.tables.runs.scores import RUN_SCORES, run_scores_table
from datasel_assets.tables.runs.series import RUNS, runs_table
from datasel_assets.tables.scores.declared import DECLARED, declared_tables
from datasel_assets.tables.scores.families import SCORES
from datasel_assets.tables.scores.frequency import frequency_tables
from datasel_assets.tables.scores.influence_targets import INFLUENCE_TARGETS
from datasel_assets.tables.scores.neighbours import NEIGHBOURS, neighbours_table
from datasel_assets.tables.scores.tag_scores import tag_scores
from datasel_assets.tables.scores.text import text_scores
from datasel_assets.tables.scores.verify import verify_scores
from datasel_assets.tables.scores.word_counts import WORD_COUNTS
from datasel_assets.tables.selections.comparison import COMPARISON, comparison_table
from datasel_assets.tables.selections.proxy_eval import PROXY_EVAL, proxy_eval_table
from datasel_assets.tables.selections.selections import SELECTIONS, selection_tables
from datasel_assets.tables.table import Graph, Kind, Table
from datasel_assets.tables.tags.candidates import TAG_CANDIDATES
from datasel_assets.tables.tags.label_graphs import LABEL_GRAPH
from datasel_assets.tables.tags.tags import TAGS, tag_tables
from datasel_assets.tables.tags.vocabulary import TAG_VOCABULARY
from datasel_assets.tables.trained_models import PROXY_LM
from datasel_assets.tables.vectors.categories import CATEGORIES, CATEGORY_MODELS, category_tables
from datasel_assets.tables.vectors.clusters import CLUSTER_MODELS, CLUSTERS, cluster_tables
from datasel_assets.tables.vectors.curvature import CURVATURE, Differentiated
from datasel_assets.tables.vectors.embeddings import (
    DOCUMENT_EMBEDDINGS,
    EMBEDDINGS,
    EVALUATION_EMBEDDINGS,
    TARGET_EMBEDDINGS,
    document_embeddings,
    embedding_tables,
)
from datasel_assets.tables.vectors.given import GIVEN_TARGET_VECTORS, GIVEN_VECTORS, given_vector_tables
from datasel_assets.tables.vectors.gradient_fidelity import GRADIENT_FIDELITY
from datasel_assets.tables.vectors.gradients import GRADIENTS, TARGET_GRADIENTS, gradient_tables
from datasel_assets.tables.vectors.redundancy import (
    REDUNDANCY,
    REDUNDANCY_COMPARISON,
    redundancy_comparison,
    redundancy_table,
)
from datasel_assets.tables.vectors.representations import (
    BASIS,
    FIDELITY,
    MOMENTS,
    REPRESENTATIONS,
    representation_tables,
)
from datasel_assets.tables.vectors.side_embeddings import SIDE_EMBEDDINGS, side_tables
from datasel_assets.tables.warehouse import Warehouse

COMPARED_BY = ("clusters", "tags", "quality", "comparison")
"""Defaults that decide the figures of a comparison."""


def _sources(registry: Registry) -> list[Table]:
    targets = [target_table(name) for name in sorted(registry.targets)]
    # Rows that were drawn out of documents are a source of the pool.
    uris = {uri for spec in registry.sources.values() for uri in spec.uris}
    drawn = [(EXTRACTIONS.name, name) for name in sorted(registry.extractions) if f"extraction:{name}" in uris]
    return [raw_corpus_table(drawn), corpus_table(), duplicates_table(), *targets]


def _layers(registry: Registry) -> list[Table]:
    specs = [spec for _, spec in sorted(registry.representations.items())]
    encoders = [spec.encoder for spec in specs if spec.encoded]
    compared = [
        (name, registry.representations[spec.embedding.representation].encoder)
        for name, spec in sorted(registry.evaluations.items())
        if spec.embedding
    ]
    targets = sorted(registry.targets)
    brought = [spec.brought for spec in specs if spec.brought]
    apart = [spec.encoder for spec in registry.scores.values() if isinstance(spec, PairSimilaritySpec)]
    own = [*given_vector_tables(brought, targets), *side_tables(apart)]
    return [*embedding_tables(encoders, targets, compared), *own]


def _gradients(registry: Registry) -> Iterable[Table]:
    """Yield the tables of the gradients that a representation or a score in use is made of."""
    for name, use in sorted(gradients_in_use(registry).items()):
        spec = registry.gradients[name]
        own = Differentiated(name, spec, registry.language_models[spec.model])
        tables = gradient_tables(own, sorted(use.targets))
        unwanted = set() if use.rows else {GRADIENTS, TARGET_GRADIENTS}
        unwanted |= set() if use.vectors else {GRADIENT_FIDELITY}
        yield from (table for table in tables if table.kind not in unwanted)


def _representations(registry: Registry) -> Iterable[Table]:
    for name, spec in sorted(registry.representations.items()):
        yield from representation_tables(name, spec)
        yield redundancy_table(name, spec)
        yield from cluster_tables(name, spec) if spec.clusters else ()
    if registry.representations:
        yield redundancy_comparison(sorted(registry.representations))


def _near_duplicates(registry: Registry) -> list[Table]:
    if registry.duplicates is None:
        return []
    return duplicate_tables(registry.duplicates, registry.clustered, registry.score_keep())


def _scores(registry: Registry) -> Iterable[Table]:
    yield text_scores()
    yield verify_scores()
    yield from frequency_tables()
    if registry.tags:
        yield tag_scores(registry.tags)
    if registry.neighboured:
        # The distance to the centroid is one of the scores.
        yield _while_settled(registry, ["clusters"], neighbours_table(registry.neighboured, registry))
    for name in scores_in_use(registry.scores, registry.recipes, registry.duplicates):
        yield from declared_tables(name, registry)


def _loops(registry: Registry) -> Iterable[Table]:
    for name in loops_in_use(registry):
        yield from loop_tables(name, registry, GRAPH)


def _documents(registry: Registry) -> Iterable[Table]:
    for name, spec in sorted(registry.documents.items()):
        yield documents_table(name, spec)
        yield from document_embeddings([e.encoder for e in registry.extractions.values() if name in e.documents], name)
    for name, spec in sorted(registry.extractions.items()):
        yield extraction_table(name, spec, GRAPH)


def _language_models(registry: Registry) -> Iterable[Table]:
    keeps = kept_of_trainings(registry)
    for name, spec in sorted(registry.language_models.items()):
        if spec.is_local:
            yield proxy_table(name, spec, **keeps.get(name, {}))
        yield token_statistics(name, spec)
        yield token_scores(name, spec)


def _dynamics(registry: Registry) -> Iterable[Table]:
    read = families_read(scores_read(registry.scores, registry.recipes, registry.duplicates), registry.dynamics)
    for name in sorted(registry.dynamics):
        yield from dynamics_tables(name, registry, read=name in read)


def _runs(registry: Registry) -> Iterable[Table]:
    """Yield the trainings, which are made on request only, unless a score that is made reads their effects."""
    made = [registry.scores[name] for name in scores_in_use(registry.scores, registry.recipes, registry.duplicates)]
    read = {need.name for spec in made for need in score_kind(spec).needs(spec) if need.what == "runs"}
    for name in sorted(registry.runs):
        yield runs_table(name, registry, GRAPH, read=name in read)
        yield run_effects_table(name, registry, read=name in read)
        yield run_scores_table(name, registry)


def _answers(registry: Registry) -> Iterable[Table]:
    """Yield the answers, which are asked for on request only, and their scores, made by default where they are read."""
    read = families_read(scores_read(registry.scores, registry.recipes, registry.duplicates), registry.answers)
    for name in sorted(registry.answers):
        yield answer_table(name, registry)
        if not registry.answers[name].adjudicates:
            yield answer_score_table(name, registry, read=name in read)


def _tags(registry: Registry) -> list[Table]:
    return [table for name, spec in sorted(registry.tags.items()) for table in tag_tables(name, spec)]


def _categories(registry: Registry) -> Iterable[Table]:
    for name, spec in sorted(registry.categories.items()):
        yield from category_tables(name, spec, registry.representations[spec.representation])


def _selections(registry: Registry) -> list[Table]:
    return selection_tables(registry, GRAPH)


def _ratios(registry: Registry) -> list[Table]:
    return [ratio_table(name, registry, GRAPH) for name in sorted(registry.ratio)]


def _comparison(registry: Registry) -> list[Table]:
    return [_while_settled(registry, COMPARED_BY, comparison_table(registry, GRAPH))]


def _proxy_evals(registry: Registry) -> list[Table]:
    if not (registry.proxy_eval and registry.proxy):
        return []
    spec, model, targets = registry.proxy_eval, registry.proxy, registry.aims
    recipes = sorted(registry.recipes.items())
    tables = [proxy_eval_table(name, spec, model, targets, recipe.weights) for name, recipe in recipes]
    return [_while_settled(registry, ["comparison"], table) for table in tables]


GROUPS: Sequence[tuple[Callable[[Registry], Iterable[Table]], tuple[Kind, ...]]] = (
    (_sources, (RAW_CORPUS, CORPUS, DUPLICATES, TARGETS)),
    (
        _layers,
        (
            EMBEDDINGS,
            TARGET_EMBEDDINGS,
            EVALUATION_EMBEDDINGS,
            GIVEN_VECTORS,
            GIVEN_TARGET_VECTORS,
            SIDE_EMBEDDINGS,
        ),
    ),
    (_gradients, (CURVATURE, GRADIENTS, TARGET_GRADIENTS, GRADIENT_FIDELITY)),
    (
        _representations,
        (MOMENTS, BASIS, REPRESENTATIONS, FIDELITY, REDUNDANCY, REDUNDANCY_COMPARISON, CLUSTER_MODELS, CLUSTERS),
    ),
    (
        contamination_tables,
        (EVALUATIONS, CONTAMINATION, CONTAMINATION_REVIEW, EVALUATION_NEIGHBOURS, EVALUATION_THRESHOLD),
    ),
    (_near_duplicates, (MINHASH, NEAR_PAIRS, NEAR_DUPLICATES, SEMANTIC_DUPLICATES)),
    (_scores, (SCORES, WORD_COUNTS, NEIGHBOURS, *DECLARED)),
    (_language_models, (PROXY_LM, TOKEN_STATISTICS, SCORES)),
    (_loops, (LOOPS, INFLUENCE_TARGETS)),
    (_documents, (DOCUMENTS, DOCUMENT_EMBEDDINGS, EXTRACTIONS)),
    (_dynamics, (DYNAMICS, SCORES)),
    (_runs, (RUNS, RUN_EFFECTS, RUN_SCORES)),
    (_answers, (ANSWERS, ANSWER_SCORES)),
    (_tags, (TAG_CANDIDATES, TAG_VOCABULARY, TAGS, LABEL_GRAPH)),
    (_categories, (CATEGORY_MODELS, CATEGORIES)),
    (label_tables, (LABEL_ANSWERS, LABEL_TRUTH, LABEL_TASKS, SCORES)),
    (_ratios, (RATIO,)),
    (_selections, (SELECTIONS,)),
    (_comparison, (COMPARISON,)),
    (_proxy_evals, (PROXY_EVAL,)),
)
"""What makes the tables of a group, and the kinds that they are of. The catalog reads all others and comes last."""

KINDS: Mapping[str, Kind] = {kind.name: kind for kinds in (*(k for _, k in GROUPS), (CATALOG,)) for kind in kinds}
"""Every kind of table by the first part of its keys in the lake, also those that no file asks for at the moment."""

_BY_NAME = {name: kind for kind in KINDS.values() for name in (kind.name, *kind.companions)}


def kind_of(key: Key) -> Kind | None:
    """Return the kind of a table in the lake, or of the table whose companion it is; None for one of no kind."""
    return _BY_NAME.get(key[0])


def _while_settled(registry: Registry, keys: Sequence[str], table: Table) -> Table:
    """Return a table that cannot be made while one of these defaults is unsettled; what is stored stays.

    Made without what the default names it would change, and change back once that is named.
    """
    problem = registry.unsettled(*keys)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        raise RegistryError(f"{DEFAULTS_FILE}: {problem}")

    return replace(table, expect=expect) if problem else table


def all_tables(registry: Registry) -> list[Table]:
    """Return every table of a registry, upstream first; only valid files have tables.

    Raises:
        ValueError: tables are made from each other.
    """
    # A table that several groups ask for is one table.
    tables = list({table.key: table for make, _ in GROUPS for table in make(registry)}.values())
    tables.append(catalog_table([table.key for table in tables if not table.on_demand], kind_of))
    refuse_circles(tables)
    return with_all_they_read([table.key for table in tables], tables)


GRAPH = Graph(kind_of, all_tables)
"""Handed to tables that ask about others."""


def refuse_circles(tables: Sequence[Table]) -> None:
    """Refuse tables that need each other, such as near duplicates ranked by a score that is made from them.

    Raises:
        ValueError: with the tables of the circle, and what to change.
    """
    try:
        TopologicalSorter({table.key: table.reads for table in tables}).prepare()
    except CycleError as error:
        keys = ["/".join(key) for key in reversed(error.args[1])]
        by_score = "near_duplicates" in keys
        hint = "name another near.score in duplicates.yaml: this one" if by_score else "change one: each"
        raise ValueError(f"{hint} is made from itself ({' needs '.join(keys)})") from None
