"""Bandits over clusters of documents: which share of what is read is of use, when a twentieth to a fifth is read.

1,190 documents of seven development datasets (``DATASEL_SHARED``) in 60 clusters by their vectors. Reading a document
gives up to three rows (its pieces of 400 characters) and costs one unit. A policy reads 10 documents of a cluster at a
time, and learns 1 less the transport cost from 30 of the rows to 30 of a target (``gsm8k_train``, ``mbpp``). Of use for
gsm8k are documents of the two mathematics books, for mbpp those of the Python enhancement proposals. ``decoys``: every
second of the 12 clusters nearest to the target gives rows of no use (those of news pages), and its documents count so.

``nearest``: clusters by the similarity of their centre to the target, each read to its end; ``ucb``: every cluster once
first; ``ucb, prior``: that similarity is the prior. ``objective``: share of use at 10 %, mean of five seeds, of the
order of documents, of the clusters and of the samples.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, measured, report
from benchmarks.projects import shared_data
from datasel_assets.arrays.transport import likeness
from datasel_assets.bandits.neighbours import centroid_distances, neighbour_weights
from datasel_assets.bandits.probe_rounds import ProbeRounds
from datasel_assets.bandits.ucb import Ucb
from datasel_assets.clusters import assign, fit_clusters

OPERATION = "bandits"
DOCUMENTS = {
    "docs_openstax_prealgebra": 200,
    "docs_openstax_statistics_cnxml": 179,
    "docs_python_peps": 150,
    "docs_rust_book": 112,
    "docs_rust_rfcs": 150,
    "docs_tldr_pages_en": 200,
    "docs_c4_demo_300": 200,
}
TARGETS = {
    "gsm8k": ("gsm8k_train", ("question", "answer"), ("docs_openstax_prealgebra", "docs_openstax_statistics_cnxml")),
    "mbpp": ("mbpp", ("text", "code"), ("docs_python_peps",)),
}
CLUSTERS, PER_TRY, ARMS, AT, QUERIES, PIECE, PIECES, NEAREST = 60, 10, 1, 30, 60, 400, 3, 12
SHARES = (0.05, 0.1, 0.2)


def texts() -> tuple[list[list[str]], np.ndarray]:
    """Return the pieces of each document, and the dataset that it is of."""
    import polars as pl

    pieces, names = [], []
    for name, n in DOCUMENTS.items():
        column = pl.read_parquet(shared_data() / f"{name}.parquet")["text"]
        column = column.filter(column.str.len_chars() > 200)
        for text in column.gather(np.random.default_rng(0).permutation(len(column))[:n]):
            own = [text[k : k + PIECE] for k in range(0, min(len(text), PIECE * PIECES), PIECE)]
            pieces.append([piece for piece in own if len(piece.split()) > 3])
            names.append(name)
    return pieces, np.array(names)


def queries(target: str) -> list[str]:
    """Return the examples of a target."""
    import polars as pl

    name, columns, _ = TARGETS[target]
    frame = pl.read_parquet(shared_data() / f"{name}.parquet").select(columns)
    return ["\n".join(row) for row in frame[np.random.default_rng(1).permutation(len(frame))[:QUERIES]].iter_rows()]


def encoded(every: Sequence[str], cache: Path | None) -> np.ndarray:
    """Return unit vectors of texts by the default encoder."""
    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import EncoderSpec

    path = None if cache is None else cache / f"bandits_{len(every)}.npy"
    if path is not None and path.is_file():
        return np.load(path)
    with Encoder(EncoderSpec(max_tokens=128, layers=[-1])) as encoder:
        found = encoder.encode([[{"role": "user", "content": text}] for text in every])
        vectors = np.asarray(found.layers[encoder.layers[0]], np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
    return vectors


class Library:
    """Documents in clusters, what each gives when it is read, and whether that is of use."""

    def __init__(self, vectors: np.ndarray, owner: np.ndarray, names: np.ndarray, examples: np.ndarray, useful) -> None:
        """Begin; ``vectors`` (p, d) of pieces, ``owner`` (p,) their documents."""
        self.rows = [vectors[owner == k] for k in range(len(names))]
        self.documents = np.stack([own.mean(axis=0) for own in self.rows])
        self.examples = examples
        self.useful = np.isin(names, useful)
        self.names = names

    def cluster(self, seed: int, decoys: bool) -> None:
        """Make the clusters, and of every second near one a decoy."""
        model = fit_clusters(self.documents.astype(np.float32), CLUSTERS, seed)
        labels, _ = assign(model, self.documents.astype(np.float32))
        draw = np.random.default_rng(seed)
        self.members = [draw.permutation(np.flatnonzero(labels == k)) for k in range(model.k)]
        self.centroids = model.centroids.astype(np.float64)
        self.similarity = self.centroids @ self.examples.mean(axis=0)
        self.decoy = np.zeros(model.k, bool)
        if decoys:
            self.decoy[np.argsort(-self.similarity)[:NEAREST:2]] = True
        self.of = labels
        self.useless = np.concatenate([self.rows[k] for k in np.flatnonzero(self.names == "docs_c4_demo_300")])

    def reward(self, documents: np.ndarray, arm: int, seed: int) -> float:
        """Return what a policy learns from having read some documents of one cluster."""
        rows = np.concatenate([self.rows[k] for k in documents])
        if self.decoy[arm]:
            rows = self.useless[np.random.default_rng([seed, arm]).choice(len(self.useless), len(rows))]
        return likeness(rows, self.examples, AT, 2, seed)

    def value(self, documents: np.ndarray) -> float:
        """Return the share of documents of use."""
        return float((self.useful & ~self.decoy[self.of])[documents].mean())


def read(library: Library, policy: str, most: int, seed: int) -> np.ndarray:
    """Return the documents that a policy reads, in order."""
    if policy == "random":
        return np.random.default_rng(seed).permutation(len(library.names))[:most]
    if policy == "nearest":
        return np.concatenate([library.members[k] for k in np.argsort(-library.similarity)])[:most]
    sharing = neighbour_weights(centroid_distances(library.centroids), 0.2 if "neighbours" in policy else 0)
    prior = library.similarity if "prior" in policy else None
    exploration: Any = "decaying" if "decaying" in policy else "spread"
    bandit = Ucb(len(library.members), exploration=exploration, prior=prior, sharing=sharing, seed=seed)
    rounds = ProbeRounds([len(own) for own in library.members], bandit, arms=ARMS, probe=PER_TRY)
    found: list[np.ndarray] = []
    while rounds.looked_at < most and (proposed := rounds.propose(most - rounds.looked_at)):
        found += [library.members[arm][at] for arm, at in proposed]
        rounds.settle([(arm, at, library.reward(library.members[arm][at], arm, seed)) for arm, at in proposed])
    return np.concatenate(found)


POLICIES = (
    "random",
    "nearest",
    "ucb",
    "ucb, decaying",
    "ucb, prior",
    "ucb, prior, decaying",
    "ucb, prior, neighbours",
)


def run(cache: Path | None, seeds: int, policies: Sequence[str]) -> list[Row]:
    """Return a row for each target, with and without decoys, and policy."""
    pieces, names = texts()
    owner = np.repeat(np.arange(len(pieces)), [len(own) for own in pieces])
    every = [text for own in pieces for text in own]
    vectors = encoded([*every, *queries("gsm8k"), *queries("mbpp")], cache)
    found = []
    for place, (target, (_, _, useful)) in enumerate(TARGETS.items()):
        examples = vectors[len(every) + place * QUERIES :][:QUERIES]
        library = Library(vectors[: len(every)], owner, names, examples, useful)
        for decoys in (False, True):
            shares: dict[str, list[list[float]]] = {policy: [] for policy in policies}
            costs = {}
            for seed in range(seeds):
                library.cluster(seed, decoys)
                for policy in policies:
                    with measured() as cost:
                        order = read(library, policy, int(max(SHARES) * len(names)), seed)
                    costs[policy] = cost
                    counts = [int(share * len(names)) for share in SHARES]
                    shares[policy].append([library.value(order[:count]) for count in counts])
            for policy in policies:
                mean = np.mean(shares[policy], axis=0)
                extra = {f"at {share:.0%}": round(float(value), 3) for share, value in zip(SHARES, mean, strict=True)}
                spread = round(float(np.std(shares[policy], axis=0)[1]), 3)
                extra |= {"target": target, "decoys": decoys, "sd at 10%": spread}
                found.append(Row(policy, len(names), costs[policy], float(mean[1]), extra))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; print and append the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors between runs")
    parser.add_argument("--no-record", action="store_true", help="print only")
    arguments = parser.parse_args(argv)
    report(OPERATION, run(arguments.cache, arguments.seeds, POLICIES), record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
