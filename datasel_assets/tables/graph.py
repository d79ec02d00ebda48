"""Which tables a registry means, and every kind of table there is.

Belongs here: one line per group of tables in ``GROUPS``. Does not belong here: what any table holds.

A kind of table is added with one file in this folder, which names its ``Kind`` and has a function that returns its
tables for a registry; with one line in ``GROUPS``; and with one test. Whatever goes by kind (what lies in the lake once
per source, which views the catalog has, what ``prune`` takes along) is told by the ``Kind`` and listed nowhere else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from datasel_assets.registry.load import Registry
from datasel_assets.registry.score import score_order
from datasel_assets.storage.lake import Key
from datasel_assets.tables.catalog import CATALOG, catalog_table
from datasel_assets.tables.contamination.contamination import contamination_assets
from datasel_assets.tables.corpus.near_duplicates import duplicate_assets
from datasel_assets.tables.corpus.sources import source_assets, target_asset
from datasel_assets.tables.language_models.language_models import language_model_assets
from datasel_assets.tables.planning import with_all_they_read
from datasel_assets.tables.scores.declared_scores import declared_assets
from datasel_assets.tables.scores.frequency import frequency_assets
from datasel_assets.tables.scores.neighbours import neighbours_asset
from datasel_assets.tables.scores.scores import BLEND, SCORES, text_scores
from datasel_assets.tables.scores.tag_scores import tag_scores
from datasel_assets.tables.selections.comparison import COMPARISON, comparison_table
from datasel_assets.tables.selections.proxy_eval import proxy_eval_asset
from datasel_assets.tables.selections.selections import SELECTIONS, selection_tables
from datasel_assets.tables.table import Kind, Table
from datasel_assets.tables.tags.tags import tag_assets
from datasel_assets.tables.vectors.categories import category_assets
from datasel_assets.tables.vectors.clusters import CLUSTER_MODELS, CLUSTERS, cluster_tables
from datasel_assets.tables.vectors.embeddings import (
    EMBEDDINGS,
    EVALUATION_EMBEDDINGS,
    TARGET_EMBEDDINGS,
    embedding_tables,
)
from datasel_assets.tables.vectors.representations import (
    BASIS,
    FIDELITY,
    MOMENTS,
    REPRESENTATIONS,
    representation_tables,
)

# TRANSITION: each is replaced by the constant of its module once that names one.
RAW_CORPUS = Kind("raw_corpus", per="source")
CORPUS = Kind("corpus", per="source", companions=("quarantine",))
DUPLICATES = Kind("duplicates")
TARGETS = Kind("targets", state=("_cache/_targets/{name}",))
MINHASH = Kind("minhash", per="source")
NEAR_DUPLICATES = Kind("near_duplicates")
SEMANTIC_DUPLICATES = Kind("semantic_duplicates")
EVALUATIONS = Kind("evaluations", version="2", state=("_cache/_evaluations/{name}",))
CONTAMINATION = Kind("contamination", version="2", per="source")
CONTAMINATION_REVIEW = Kind("contamination_review", version="2")
EVALUATION_NEIGHBOURS = Kind(
    "evaluation_neighbours", version="2", per="source", state=("_evaluation_neighbours/{name}",)
)
EVALUATION_THRESHOLD = Kind("evaluation_threshold", version="2")
PROXY_LM = Kind("proxy_lm", version="2", state=("models/{name}",))
TOKENS = Kind("tokens", per="source")
WORD_COUNTS = Kind("word_counts")
NEIGHBOURS = Kind("neighbours")
DSIR_COUNTS = Kind("dsir_counts")
DSIR = Kind("dsir", per="source")
PREDICTABILITY = Kind("predictability")
SENSITIVITY = Kind("sensitivity")
TAG_CANDIDATES = Kind("tag_candidates", per="source")
TAG_VOCABULARY = Kind("tag_vocabulary")
TAGS = Kind("tags", per="source")
LABEL_GRAPH = Kind("label_graph", state=("_label_vectors/{name}",))
CATEGORY_MODELS = Kind("category_models")
CATEGORIES = Kind("categories", per="source")
PROXY_EVAL = Kind("proxy_eval", version="2", per="recipe")


def _targets(registry: Registry) -> list[Table]:
    return [target_asset(name) for name in sorted(registry.targets)]


def _embeddings(registry: Registry) -> list[Table]:
    encoders = [spec.encoder for spec in registry.representations.values()]
    compared = [
        (name, registry.representations[spec.embedding.representation].encoder)
        for name, spec in sorted(registry.evaluations.items())
        if spec.embedding
    ]
    return embedding_tables(encoders, sorted(registry.targets), compared)


def _representations(registry: Registry) -> list[Table]:
    specs = sorted(registry.representations.items())
    return [table for name, spec in specs for table in representation_tables(name, spec)]


def _clusters(registry: Registry) -> list[Table]:
    specs = sorted(registry.representations.items())
    return [table for name, spec in specs if spec.clusters for table in cluster_tables(name, spec)]


def _near_duplicates(registry: Registry) -> list[Table]:
    if registry.duplicates is None:
        return []
    return duplicate_assets(registry.duplicates, registry.clustered, registry.score_keep())


def _scores(registry: Registry) -> list[Table]:
    return [text_scores(), *([tag_scores(registry.tags)] if registry.tags else [])]


def _language_models(registry: Registry) -> list[Table]:
    specs = sorted(registry.language_models.items())
    return [table for name, spec in specs for table in language_model_assets(name, spec)]


def _neighbours(registry: Registry) -> list[Table]:
    return [neighbours_asset(registry.neighboured, registry)] if registry.neighboured else []


def _tags(registry: Registry) -> list[Table]:
    return [table for name, spec in sorted(registry.tags.items()) for table in tag_assets(name, spec)]


def _categories(registry: Registry) -> list[Table]:
    return [
        table
        for name, spec in sorted(registry.categories.items())
        for table in category_assets(name, spec, registry.representations[spec.representation])
    ]


def _declared_scores(registry: Registry) -> list[Table]:
    return [table for name in score_order(registry.scores) for table in declared_assets(name, registry)]


def _proxy_evals(registry: Registry) -> list[Table]:
    if not (registry.proxy_eval and registry.proxy):
        return []
    spec, model, targets = registry.proxy_eval, registry.proxy, registry.aims
    return [proxy_eval_asset(name, spec, model, targets) for name in sorted(registry.recipes)]


GROUPS: Mapping[Callable[[Registry], Iterable[Table]], tuple[Kind, ...]] = {
    lambda registry: source_assets(): (RAW_CORPUS, CORPUS, DUPLICATES),
    _targets: (TARGETS,),
    _embeddings: (EMBEDDINGS, TARGET_EMBEDDINGS, EVALUATION_EMBEDDINGS),
    _representations: (MOMENTS, BASIS, REPRESENTATIONS, FIDELITY),
    _clusters: (CLUSTER_MODELS, CLUSTERS),
    contamination_assets: (
        *(EVALUATIONS, CONTAMINATION, CONTAMINATION_REVIEW),
        *(EVALUATION_NEIGHBOURS, EVALUATION_THRESHOLD),
    ),
    _near_duplicates: (MINHASH, NEAR_DUPLICATES, SEMANTIC_DUPLICATES),
    _scores: (SCORES,),
    lambda registry: frequency_assets(): (WORD_COUNTS, SCORES),
    _language_models: (PROXY_LM, TOKENS, SCORES),
    _neighbours: (NEIGHBOURS,),
    _tags: (TAG_CANDIDATES, TAG_VOCABULARY, TAGS, LABEL_GRAPH),
    _categories: (CATEGORY_MODELS, CATEGORIES),
    _declared_scores: (BLEND, DSIR_COUNTS, DSIR, PREDICTABILITY, SENSITIVITY),
    selection_tables: (SELECTIONS,),
    lambda registry: [comparison_table(registry)]: (COMPARISON,),
    _proxy_evals: (PROXY_EVAL,),
}
"""What makes the tables of a group -> the kinds that they are of. The catalog reads all others and comes last."""

KINDS: Mapping[str, Kind] = {kind.name: kind for kinds in (*GROUPS.values(), (CATALOG,)) for kind in kinds}
"""Every kind of table by the first part of its keys in the lake, also those that no file asks for at the moment."""


def kind_of(key: Key) -> Kind | None:
    """Return the kind of a table in the lake, or of the table whose companion it is; None for one of no kind."""
    return _BY_NAME.get(key[0])


_BY_NAME = {name: kind for kind in KINDS.values() for name in (kind.name, *kind.companions)}


def all_tables(registry: Registry) -> list[Table]:
    """Return every table of a registry, upstream first; only valid files have tables.

    Raises:
        ValueError: tables are made from each other.
    """
    tables = [_of_its_kind(table) for group in GROUPS for table in group(registry)]
    tables.append(catalog_table([table.key for table in tables if not table.on_demand], kind_of))
    refuse_circles(tables)
    return with_all_they_read([table.key for table in tables], tables)


def _of_its_kind(table: Table) -> Table:  # TRANSITION: every table names its kind itself
    return replace(table, kind=KINDS[table.table_key(None)[0]]) if table.kind.name == "?" else table


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
