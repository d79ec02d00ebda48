"""Batches of questions on public pairs of records: labels bought, tokens and a floor of F1.

Questions are the test pairs, the pool of examples all others. A batch has eight questions of different clusters. Who
answers says what the nearest example of the prompt says: F1 is a floor for any model and no forecast of one. The
objective is that F1; ``tokens`` counts words and marks of all prompts. ``single`` asks one question a prompt with its
eight nearest examples.
"""

import argparse
import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from benchmarks.harness import Row, measured, report
from benchmarks.projects import shared_data

SETS = {
    "abt_buy": (("name",), 8),
    "amazon_google": (("title", "manufacturer"), 1),
    "dblp_acm": (("title", "authors", "venue", "year"), 8),
    "dirty_dblp_acm": (("title", "authors", "venue", "year"), 8),
}
"""Set -> attributes that are compared, and DBSCAN's least number of neighbours."""
TASK = "Do these two records describe the same thing?"
FIELD = re.compile(r"COL (\S+) VAL (.*?)(?= COL |$)")


def compare(name: str) -> list[Row]:
    """Return a line for each way to choose examples on one set."""
    from datasel_assets.batching.ask import Ledger, ask_batches, count_tokens, f1, nearest_example
    from datasel_assets.batching.batches import batch_questions, cluster_questions
    from datasel_assets.batching.demonstrations import choose_demonstrations
    from datasel_assets.batching.features import distance_percentiles, pair_features

    attributes, least = SETS[name]
    frame = pl.read_parquet(shared_data() / f"er_{name}.parquet")
    sides = [
        [{key: value.strip() for key, value in FIELD.findall(text)} for text in frame[side]]
        for side in ("left", "right")
    ]
    texts = [f"{left} | {right}" for left, right in frame.select("left", "right").iter_rows()]
    features = pair_features(*([[record.get(a) for record in side] for a in attributes] for side in sides))
    asked = (frame["_split"] == "test").to_numpy()
    gold = (frame["label"] == "1").to_numpy()
    questions, pool, known = features[asked], features[~asked], gold[~asked]
    shown = [text for text, own in zip(texts, asked, strict=True) if own]
    examples = [text for text, own in zip(texts, asked, strict=True) if not own]
    tokens = np.array([count_tokens(text) for text in examples])
    radius, reach = distance_percentiles(questions, pool, [1, 8])
    diverse = batch_questions("diversity", cluster_questions(questions, radius, least), 8)
    single = [np.array([one]) for one in range(len(questions))]
    rows = []
    for label, how, batches in (
        ("single, topk_batch", "topk_batch", single),
        ("batch, fixed", "fixed", diverse),
        ("batch, topk_batch", "topk_batch", diverse),
        ("batch, topk_question", "topk_question", diverse),
        ("batch, covering", "covering", diverse),
    ):
        with measured() as cost:
            chosen = choose_demonstrations(how, questions, pool, batches, tokens, reach)
        ledger = Ledger(labels=len(chosen.bought))
        answer = nearest_example(questions, batches, chosen.per_batch, pool, known)
        demonstrations = [[(examples[one], bool(known[one])) for one in each] for each in chosen.per_batch]
        found = ask_batches(batches, demonstrations, shown, answer, TASK, ledger)
        extra = {
            "set": name,
            "pool": len(pool),
            "labels": len(chosen.bought),
            "uncovered": len(chosen.uncovered),
            "prompts": len(ledger.prompt_tokens),
            "tokens": sum(ledger.prompt_tokens),
            "tokens_per_question": round(sum(ledger.prompt_tokens) / len(questions), 1),
        }
        rows.append(Row(label, len(questions), cost, f1(found, gold[asked].tolist()), extra))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    report("batching", [row for name in options.sets for row in compare(name)], record=not options.no_record)
    return 0


if __name__ == "__main__":
    main()
