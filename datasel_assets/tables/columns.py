"""What the columns of the tables mean, for the column list of the UI. A leaf: imports nothing of the project."""

import re

DESCRIPTIONS = {
    # corpus, targets
    "row_id": "Stable id: hash of source, content and the ordinal among equal contents; independent of order.",
    "source": "Source dataset, the name of its file in sources/.",
    "position": "Where the row stands in the files of its source, from 0.",
    "messages": "The conversation: role (system, user, assistant, tool) and content of each turn.",
    "n_turns": "Messages in the conversation.",
    "prompt": "Everything before the last assistant message.",
    "response": "The last assistant message.",
    "n_chars": "Characters of all messages.",
    "n_tokens": "Tokens of all messages and tool definitions, by the corpus tokenizer.",
    "n_response_tokens": "Tokens of the assistant messages that are trained on.",
    "content_hash": "Hash of the normalised conversation; equal for exact duplicates.",
    "extra": "Fields of the original record that have no column, as JSON.",
    "tools": "Definitions of the tools that may be called, a list as JSON; null where there is none.",
    "untrained": "Indices of the assistant messages that are marked as not to be trained on; null where all are.",
    "images": "Paths or addresses of the pictures, one for each <image> of the messages; null where there is none.",
    # quarantine
    "raw": "The row as it was read, cut at 10,000 characters.",
    "reason": "Why, in words.",
    # raw_corpus
    "uri": "Where the file was found.",
    "path": "The local file that is read.",
    "bytes": "Size of the file.",
    "digest": "Hash of the content.",
    # duplicates
    "duplicate_of": "The row that is kept in place of this one.",
    "kind": "How the copy was found.",
    "similarity": "1 for an exact copy.",
    "group": "Best row of the family of copies that this one belongs to.",
    "signature": "MinHash signature of the conversation's shingles.",
    "n_shingles": "Distinct shingles of the conversation.",
    "shingle_digest": "Hash of the set of shingles; equal sets are compared once.",
    # evaluations, contamination
    "evaluation": "Evaluation, the name of its file in evaluations/.",
    "item": "Item of the evaluation.",
    "text": "What of the item is looked for.",
    "form": "compared: looked for by words and vector; answered: by vector only; halved: only sets the threshold.",
    "copy_of": "The text that a halved copy was made of.",
    "tier": "exact: the whole item stands in the row; ngram: enough of its words do, in shared n-grams; embedding: its "
    "vector lies near that of the item.",
    "overlap": "Share of the item's words that the row has too; the cosine for the tier embedding.",
    "evidence": "The longest passage that both have; the text of the item for the tier embedding.",
    "item_id": "The nearest text of the evaluation.",
    "cosine": "Its cosine to the row.",
    "threshold": "Smallest cosine of a row that is listed.",
    "by_rate": "Smallest cosine that no more than the stated share of the pool reaches.",
    "reach": "Upper quartile of the cosines of items to copies that keep half of their words.",
    "share_above": "Share of the pool at or above the threshold.",
    "background": "Rows that the threshold was set on.",
    "blocks": "The tier keeps the row out of every release.",
    "is_contaminated": "What a person decided, where one has.",
    # scores
    "nearest": "The nearest other row.",
    "neighbours": "Positions of the nearest rows in this table, nearest first.",
    "distances": "Euclidean distance to each of them.",
    "step": "Step of the training.",
    "train_loss": "Loss of the step's batch, nats per token.",
    "held_out_loss": "Loss on rows that were never trained on, where it was measured.",
    # embeddings, representations, clusters
    "n_tokens_encoded": "Tokens that the encoder saw.",
    "truncated": "The conversation was longer than the encoder's limit.",
    "vector": "Compressed vector of unit length.",
    "is_zero": "The vector has no direction, so the row cannot be selected by similarity.",
    "cluster": "Number of the cluster; its title stands in the cluster model.",
    "distance": "Cosine distance to the centroid of the cluster, 0 to 2.",
    # fidelity
    "layer": "Hidden layer of the encoder; 0 is the embedding table.",
    "energy_share": "Share of this layer in the squared length of the uncompressed vectors.",
    "neighbour_recall_at_10": "Share of the 10 nearest uncompressed neighbours that stay among the 10 nearest.",
    "selection_overlap": "Share of a round-robin selection by the uncompressed vectors that these vectors select too.",
    "variance_kept": "Share of the variance that the kept directions explain.",
    # redundancy
    "representation": "A file in representations/.",
    "dims": "Dimensions of a vector.",
    "effective_rank": "Directions that the rows use, by exp of the entropy of the variances.",
    "participation_ratio": "Directions that the rows use, led by the largest: (sum of variances)^2 / sum of squares.",
    "first_axis_share": "Share of the variance along the first principal axis.",
    "axes_90": "Principal axes that hold 90 % of the variance.",
    "axes_99": "Principal axes that hold 99 % of the variance.",
    "mean_cosine": "Mean cosine of two random rows.",
    "mean_cosine_centred": "Mean cosine of two random rows after their mean is subtracted.",
    "shares": "Share of the variance along each principal axis, largest first.",
    # selections, decisions
    "kept": "The row is in the selection.",
    "stage": "The step of the recipe that decided.",
    "rank": "Place in the order of the sampler, from 1.",
    "score": "Score of the sampler; higher is chosen first.",
    "margin": "Score minus the lowest score that was kept; negative for rows that missed the cut.",
    "weight": "Weight of the row in training, where the sampler gives one.",
    "selected_for": "The target query that chose the row.",
    "cumulative_n_tokens": "Tokens of this row and all ranked above it.",
    "cumulative_n_response_tokens": "Response tokens of this row and all ranked above it.",
    # comparison
    "recipe": "Recipe, the name of its file in recipes/.",
    "rows": "Rows.",
    "tokens": "Tokens of the selected rows.",
    "response_tokens": "Response tokens of the selected rows.",
    "mean_response_tokens": "Mean response tokens per row.",
    "median_response_tokens": "Median response tokens per row.",
    "sources_covered": "Sources with at least one selected row.",
    "source_share": "The same as a share of all sources.",
    "effective_sources": "exp(entropy) of the rows over sources: how many equally used sources this amounts to.",
    "clusters_covered": "Clusters with at least one selected row.",
    "cluster_share": "The same as a share of all clusters.",
    "effective_clusters": "exp(entropy) of the rows over clusters: how many equally used clusters this amounts to.",
    "duplicates_left": "Selected rows beyond the first of each group of exact copies.",
    "overlap_with_random": "Jaccard overlap with the recipe random.",
    "overlap_with_longest": "Jaccard overlap with the recipe longest.",
    "top_sources": "The sources with the most selected rows.",
    # catalog
    "view": "View of datasel.duckdb.",
}
LAYER = "Pooled hidden state after layer {layer} (0: embedding table)."


def describe(column: str) -> str | None:
    """Return what a column means, or None where its name says it."""
    prefix, _, number = column.partition("_")
    if prefix == "layer" and number.isdigit():
        return LAYER.format(layer=number)
    return DESCRIPTIONS.get(column)


def type_name(arrow: str) -> str:
    """Return the name of an Arrow type as its readers say it.

    >>> type_name("fixed_size_list<halffloat>[96]"), type_name("large_string"), type_name("float")
    ('float16[96]', 'string', 'float32')
    """
    name = arrow.replace("large_", "").replace("element: ", "")
    vector = re.fullmatch(r"fixed_size_list<halffloat>\[(\d+)\]", name)
    return f"float16[{vector[1]}]" if vector else {"float": "float32", "double": "float64"}.get(name, name)
