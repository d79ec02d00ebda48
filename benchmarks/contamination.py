"""Contamination: nine benchmarks looked for in alpaca_52k, with planted items; reworded items by tier.

Development datasets needed. ``words``: the first ``--n`` rows of alpaca_52k, of which 5 % have an item planted in their
response, in five manners in turn: verbatim; in capitals with other punctuation and white space; the first 60 % of its
words; one word in 20 replaced; the numbers replaced. Items of four words or more are planted. Each implementation
runs in a process of its own, ``--repeats`` times in turn, and the fastest scan counts; loading compiled code is not
measured (``warm_up_s``), building the index stands beside (``index_s``). ``objective`` is the recall over all planted
rows, ``exact`` that of the tier exact alone, ``long`` and ``short`` those of items of 13 words or more and of fewer;
``right`` is the share of the rows found that name the planted item. ``organic`` counts rows without a planted item that
are reported, and ``organic_by`` their hits: known are the seven rows that repeat a short question (``known``), the
others are false.

- ``13-grams`` is what GPT-3's appendix C and most scripts do: a Python set of the items' word 13-grams (an item of 8 to
  12 words whole), and a row is contaminated when it has one of them. It names no item.
- ``13-grams by item`` looks for half of an item's words as datasel's tier ngram, with a dictionary and no guards.

``--audit`` prints, instead of all tables, every hit by words of all of alpaca_52k against every evaluation set of the
development datasets (AUDITED besides those above): evaluation, tier, overlap, item and row, to be judged by a person.

``planted``: items of the smaller benchmarks in the same manners among ``--planted`` clean rows, by tier, each with the
stronger ones: the item at the end of a response (``inside_*``), and as a row of its own (``alone_*``). ``false_alpaca``
is the share of the clean rows that are listed.

``reworded``: llm_decontaminator_rephrased, rows without text left out, among ``--clean`` rows of alpaca_52k and half as
many of gsm8k_train and of code_alpaca_2k each, which are clean but of the kind of two of the three benchmarks that are
reworded. Tiers as in the product: words first, then vectors (the default model, weighted mean of the last layer;
questions with and without their answers), each threshold calibrated at 0.1 % on the whole pool, reworded rows
included. ``objective`` is the recall by that tier or a stronger one; ``precision`` has its 95 % interval beside;
``english`` ... are recalls by how the item was reworded, ``false_*`` the shares of the clean rows that are listed.
``pool`` says what the pool held: ``contaminated`` as described, ``answered`` with the benchmark's answer after each
reworded question, as a training row has it, ``clean`` without any reworded row when the threshold was set.
"""

import argparse
import random
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import shared_data
from datasel_assets.corpus.contamination import (
    CONTAMINATION_SCHEMA,
    EvaluationIndex,
    EvaluationItem,
    evaluation_items,
    find_overlaps,
    halved,
    labelled_precision,
    nearest_items,
    normalised_words,
    settle_threshold,
)
from datasel_assets.registry.base import parse
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.storage.readers import read_rows, snapshot

EVALUATIONS: dict[str, dict[str, Any]] = {
    "gsm8k_test": {},
    "humaneval": {},
    "mbpp": {},
    "mmlu_test": {},
    "mt_bench_questions": {"format": "prompt_completion", "columns": {"prompt": "turns"}, "item_column": "question_id"},
    "ifeval": {},
    "bbh": {},
    "math_test_5000": {},
    "svamp_test": {},
}
KNOWN = {
    "how does the greenhouse effect work",
    "which of these words is an adverb",
    "why is the sky blue",
    "prove the pythagorean theorem",
    "what is the meaning of life",
    "what color is the sky",
}
"""Questions of the benchmarks that alpaca_52k holds as they are."""

AUDITED: dict[str, dict[str, Any]] = {
    "mmlu_dev": {},
    "mmlu_val": {},
    "self_instruct_user_oriented_252": {},
    "vicuna_bench_questions": EVALUATIONS["mt_bench_questions"],
}
"""Evaluation sets beside EVALUATIONS that ``--audit`` looks for."""

SMALLER = ("gsm8k_test", "humaneval", "mbpp", "mt_bench_questions", "ifeval", "svamp_test")
"""Benchmarks whose items the table ``planted`` encodes."""

MANNERS = ("verbatim", "reset", "first 60 %", "5 % words", "numbers")
SHARE = 0.5
GRAM = 13


def items(folder: Path, *names: str) -> list[EvaluationItem]:
    """Return the items of the named evaluations, or of all."""
    found: list[EvaluationItem] = []
    with tempfile.TemporaryDirectory() as cache:
        for name in names or EVALUATIONS:
            spec = parse({"uri": f"{name}.parquet", **(EVALUATIONS | AUDITED)[name]}, EvaluationSpec)
            rows = read_rows(snapshot(spec, name, folder, Path(cache)), spec)
            found += evaluation_items(name, rows, **spec.item_options()).items
    if not names:
        frame = pl.read_parquet(folder / "alpaca_eval_model_outputs.parquet", columns=["instruction"])
        prompts = frame["instruction"].unique(maintain_order=True)
        found += [EvaluationItem("alpaca_eval", str(i), prompt) for i, prompt in enumerate(prompts)]
    return found


def planted(text: str, manner: str, draw: random.Random) -> str:
    """Write an item in one of MANNERS."""
    words = text.split()
    if manner == "reset":
        return re.sub(r"[.,?!]", " ;", "\n  ".join(words)).upper()
    if manner == "first 60 %":
        return " ".join(words[: max(1, round(0.6 * len(words)))])
    if manner == "5 % words":
        for i in draw.sample(range(len(words)), max(1, round(len(words) / 20))):
            words[i] = "otherwise"
        return " ".join(words)
    if manner == "numbers":
        return re.sub(r"\d+", lambda found: str(int(found[0][:9]) + 1), text)
    return text


def write_pool(folder: Path, n: int) -> None:
    """Write ``pool.parquet`` (text, item, manner) and ``items.parquet``."""
    found = items(shared_data())
    pl.DataFrame([asdict(item) for item in found]).write_parquet(folder / "items.parquet")
    draw = random.Random(0)
    pool = pl.read_parquet(shared_data() / "alpaca_52k.parquet", n_rows=n)
    texts = pool.select(pl.concat_str("instruction", "input", "output", separator="\n\n")).to_series().to_list()
    names: list[str | None] = [None] * len(texts)
    manners: list[str | None] = [None] * len(texts)
    worth = [item for item in found if len(normalised_words(item.text)) >= 4]
    chosen = draw.sample(worth, min(len(worth), len(texts) // 20))
    for k, (row, item) in enumerate(zip(sorted(draw.sample(range(len(texts)), len(chosen))), chosen, strict=True)):
        manners[row] = MANNERS[k % len(MANNERS)]
        names[row] = f"{item.evaluation}/{item.item}"
        texts[row] += "\n\n" + planted(item.text, MANNERS[k % len(MANNERS)], draw)
    pl.DataFrame({"text": texts, "item": names, "manner": manners}).write_parquet(folder / "pool.parquet")


def words(implementation: str, folder: str) -> dict[str, Any]:
    """Scan the pool in this process."""
    pool = pl.read_parquet(Path(folder) / "pool.parquet")
    listed = [EvaluationItem(**row) for row in pl.read_parquet(Path(folder) / "items.parquet").rows(named=True)]
    start = time.perf_counter()
    _IMPLEMENTED[implementation](listed[:50])(pool["text"].head(50).to_list())
    warm_up = time.perf_counter() - start
    start = time.perf_counter()
    scan = _IMPLEMENTED[implementation](listed)
    index_s = time.perf_counter() - start
    texts = pool["text"].to_list()
    with measured() as cost:
        hits, evidence = scan(texts)
    size = {f"{item.evaluation}/{item.item}": len(normalised_words(item.text)) for item in listed}
    recall: dict[str, list[bool]] = defaultdict(list)
    right, exact = [], []
    for row, (item, manner) in enumerate(pool.select("item", "manner").rows()):
        if manner:
            recall[manner].append(row in hits)
            recall["long" if size[item] >= GRAM else "short"].append(row in hits)
            exact.append("exact" in hits.get(row, {}).values())
            if row in hits and "" not in hits[row]:
                right.append(item in hits[row])
    clean = [row for row in hits if pool["manner"][row] is None]
    found = Counter(f"{name.split('/')[0]} {tier}" for row in clean for name, tier in hits[row].items() if name)
    return {
        **asdict(cost),
        "index_s": index_s,
        "warm_up_s": warm_up,
        "recall": {name: float(np.mean(found)) for name, found in recall.items()},
        "all": float(np.mean([*recall["long"], *recall["short"]])) if recall else None,
        "exact": float(np.mean(exact)) if any(exact) else None,
        "right": float(np.mean(right)) if right else None,
        "organic": len(clean),
        "known": sum(any(text in evidence.get(row, "").lower() for text in KNOWN) for row in clean),
        "organic_by": dict(sorted(found.items())),
    }


Scan = Callable[[list[str]], tuple[dict[int, dict[str, str]], dict[int, str]]]
"""Text -> for each row that has hits, the tier of each item; and a passage of the row."""


def _datasel(listed: list[EvaluationItem]) -> Scan:
    index = EvaluationIndex.build(listed)

    def scan(texts: list[str]) -> tuple[dict[int, dict[str, str]], dict[int, str]]:
        found = find_overlaps([str(i) for i in range(len(texts))], texts, index)
        hits: dict[int, dict[str, str]] = defaultdict(dict)
        for row, evaluation, item, tier in found.select("row_id", "evaluation", "item", "tier").rows():
            hits[int(row)][f"{evaluation}/{item}"] = tier
        return hits, {int(row): text for row, text in found.select("row_id", "evidence").rows()}

    return scan


_WORD = re.compile(r"[^\W_]+")


def _grams(words: list[str], n: int = GRAM) -> list[str]:
    return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]


def _set_of_grams(listed: list[EvaluationItem]) -> Scan:
    wanted: set[str] = set()
    lengths = {GRAM}
    for item in listed:
        own = _WORD.findall(item.text.lower())
        if len(own) >= 8:
            wanted.update(_grams(own, min(GRAM, len(own))))
            lengths.add(min(GRAM, len(own)))

    def scan(texts: list[str]) -> tuple[dict[int, dict[str, str]], dict[int, str]]:
        hits: dict[int, dict[str, str]] = {}
        evidence = {}
        for row, text in enumerate(texts):
            own = _WORD.findall(text.lower())
            found = next((gram for n in sorted(lengths) for gram in _grams(own, n) if gram in wanted), None)
            if found is not None:
                hits[row] = {"": "ngram"}
                evidence[row] = found
        return hits, evidence

    return scan


def _grams_by_item(listed: list[EvaluationItem]) -> Scan:
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    total: dict[int, int] = {}
    lengths = {GRAM}
    for k, item in enumerate(listed):
        own = _WORD.findall(item.text.lower())
        if len(own) >= 8:
            n = min(GRAM, len(own))
            lengths.add(n)
            grams = _grams(own, n)
            total[k] = len(own)
            for i, gram in enumerate(grams):
                places[gram].append((k, i))

    def scan(texts: list[str]) -> tuple[dict[int, dict[str, str]], dict[int, str]]:
        hits: dict[int, dict[str, str]] = defaultdict(dict)
        evidence = {}
        for row, text in enumerate(texts):
            own = _WORD.findall(text.lower())
            seen: dict[int, set[int]] = defaultdict(set)
            for n in lengths:
                for gram in _grams(own, n):
                    for k, i in places.get(gram, ()):
                        seen[k].update(range(i, i + n))
                        evidence[row] = gram
            for k, found in seen.items():
                if len(found) >= SHARE * total[k]:
                    hits[row][f"{listed[k].evaluation}/{listed[k].item}"] = "ngram"
        return hits, evidence

    return scan


_IMPLEMENTED: dict[str, Callable[[list[EvaluationItem]], Scan]] = {
    "datasel": _datasel,
    "13-grams": _set_of_grams,
    "13-grams by item": _grams_by_item,
}


def audit() -> list[str]:
    """Return a line for every hit by words of alpaca_52k against every evaluation set."""
    folder = shared_data()
    listed = items(folder)
    for name in AUDITED:
        listed += items(folder, name)
    pool = pl.read_parquet(folder / "alpaca_52k.parquet")
    texts = pool.select(pl.concat_str("instruction", "input", "output", separator="\n\n")).to_series()
    found = find_overlaps([str(i) for i in range(len(texts))], texts, EvaluationIndex.build(listed))
    said = {(item.evaluation, item.item): item.text for item in reversed(listed)}
    lines = []
    for row, evaluation, item, tier, overlap, evidence in found.rows():
        whole = " ".join(said[evaluation, item].split())
        lines.append(f"{evaluation} {item} {tier} {overlap:.2f}\n  item: {whole:.300}\n  row {row}: {evidence}")
    return [f"{len(texts):,} rows, {found['row_id'].n_unique()} of them hit, {len(said):,} items", *lines]


def planted_rows(clean_rows: int, each: int = 100) -> list[Row]:
    """Recall by tier on ``each`` items in every manner, inside a response and alone, among clean rows of alpaca_52k."""
    folder, draw = shared_data(), random.Random(0)
    listed = items(folder, *SMALLER)
    clean = _clean(folder, "alpaca_52k", clean_rows)
    rows, own, kinds = [], [], []
    worth = [item for item in listed if len(normalised_words(item.text)) >= 4]
    for place in ("inside", "alone"):
        for manner in MANNERS:
            for item in draw.sample(worth, each):
                said = planted(item.text, manner, draw)
                rows.append(f"{draw.choice(clean)}\n\n{said}" if place == "inside" else said)
                own.append(item.evaluation)
                kinds.append(f"{place}_{manner}".replace(" ", "_"))
    questions = [item.text for item in listed]
    with measured() as encoding:
        mine, copies, vectors = _encode([questions, [halved(text) for text in questions], rows + clean])
    facts = {"items": len(listed), "clean": len(clean), "encode_s": round(encoding.wall_s, 1)}
    spread, evaluations = ["alpaca"] * len(clean), np.array(own)
    with measured() as cost:
        found = find_overlaps([str(i) for i in range(len(vectors))], rows + clean, EvaluationIndex.build(listed))
    table = []
    for tier, kept in (("exact", found.filter(pl.col("tier") == "exact")), ("words", found)):
        hits = {(int(row), evaluation) for row, evaluation in kept.select("row_id", "evaluation").iter_rows()}
        table.append(Row(f"datasel {tier}", len(vectors), cost, *_quality(hits, evaluations, kinds, spread, facts)))
    with measured() as cost:
        named = _Items(np.array([item.evaluation for item in listed]), mine, copies, mine)
        near, thresholds = named.neighbours(vectors, 0)
    quality = _quality(hits | near, evaluations, kinds, spread, facts | thresholds)
    return [*table, Row("datasel words + embedding", len(vectors), cost, *quality)]


def reworded(n: int, clean_rows: int) -> list[Row]:
    """Recall and precision by tier on reworded items among clean rows."""
    folder = shared_data()
    frame = pl.read_parquet(folder / "llm_decontaminator_rephrased.parquet").with_columns(
        place=pl.int_range(pl.len()).over("_source_file")
    )
    frame = frame.filter(pl.col("text").str.strip_chars() != "")
    if n < len(frame):
        frame = frame.sample(n, seed=0)
    listed, origin = _reworded_items(folder)
    answers = _answers(folder, listed)
    truth = [_truth(name, place, origin) for name, place in frame.select("_source_file", "place").rows()]
    kinds = [_kind(name) for name in frame["_source_file"]]
    texts = frame["text"].to_list()
    with_answers = [
        text if item is None else f"{text}\n\n{answers[item]}" for text, item in zip(texts, truth, strict=True)
    ]
    clean = {
        "alpaca": _clean(folder, "alpaca_52k", clean_rows),
        "gsm8k_train": _clean(folder, "gsm8k_train", clean_rows // 2),
        "code_alpaca": _clean(folder, "code_alpaca_2k", clean_rows // 2),
    }
    questions = [item.text for item in listed]
    both = [f"{question}\n\n{answer}" for question, answer in zip(questions, answers, strict=True)]
    sets = [questions, [halved(text) for text in questions], both, texts, with_answers, *clean.values()]
    with measured() as encoding:
        own, copies, answered, *rows = _encode(sets)
    items = _Items(np.array([item.evaluation for item in listed]), own, copies, answered)
    index = EvaluationIndex.build(listed)
    own_evaluation = np.array([_evaluation(name) for name in frame["_source_file"]])
    spread = [name for name, part in clean.items() for _ in part]
    clean_vectors = np.concatenate(rows[2:])
    report_rows = []
    for pool, said, vectors in (
        ("contaminated", texts, rows[0]),
        ("answered", with_answers, rows[1]),
        ("clean", texts, rows[0]),
    ):
        flat = [*said, *(text for part in clean.values() for text in part)]
        with measured() as cost:
            found = find_overlaps([str(i) for i in range(len(flat))], flat, index)
        hits = {(int(row), evaluation) for row, evaluation in found.select("row_id", "evaluation").iter_rows()}
        facts = {"pool": pool, "items": len(listed), "clean": len(spread)}
        report_rows.append(Row("datasel words", len(flat), cost, *_quality(hits, own_evaluation, kinds, spread, facts)))
        with measured() as cost:
            near, thresholds = items.neighbours(np.concatenate([vectors, clean_vectors]), len(said) * (pool == "clean"))
        facts |= thresholds | {"encode_s": round(encoding.wall_s, 1)}
        quality = _quality(hits | near, own_evaluation, kinds, spread, facts)
        report_rows.append(Row("datasel words + embedding", len(flat), cost, *quality))
    return report_rows


@dataclass(frozen=True)
class _Items:
    """Vectors of the items of several evaluations: as they are, halved, and with their answers."""

    evaluations: np.ndarray
    own: np.ndarray
    copies: np.ndarray
    answered: np.ndarray

    def neighbours(self, rows: np.ndarray, unseen: int) -> tuple[set[tuple[int, str]], dict[str, float]]:
        """Return (row, evaluation) of the rows that are listed, and the thresholds; set without the first rows."""
        hits, thresholds = set(), {}
        for name in sorted(set(self.evaluations.tolist())):
            mine = self.evaluations == name
            near = nearest_items(rows, np.concatenate([self.own[mine], self.answered[mine]]))
            to_copies = np.vecdot(_scaled(self.own[mine]), _scaled(self.copies[mine]))
            found = settle_threshold(near.cosine[near.rows >= unseen], to_copies, 0.001)
            hits |= {(row, name) for row in near.at_least(found.threshold).rows.tolist()}
            thresholds[f"threshold_{name}"] = found.threshold
        return hits, thresholds


def _scaled(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def _quality(
    hits: set[tuple[int, str]], own: np.ndarray, kinds: list[str], clean: list[str], facts: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    """Return the recall, and precision with its interval, recall by kind and false alarms by kind of clean row.

    A reworded row is found when it is listed for the evaluation that it rewords; any other hit is false.
    """
    right = {row for row, evaluation in hits if row < len(own) and own[row] == evaluation}
    pairs = [(str(row), evaluation) for row, evaluation in sorted(hits)]
    table = pl.DataFrame(
        [(row, "all", evaluation, "exact", 1.0, "") for row, evaluation in pairs],
        schema=CONTAMINATION_SCHEMA,
        orient="row",
    )
    labels = table.select(
        "row_id",
        "evaluation",
        "item",
        contaminated=pl.Series(
            [int(row) < len(own) and own[int(row)] == name for row, name in pairs], dtype=pl.Boolean
        ),
    )
    said = labelled_precision(table, labels)
    wrong: dict[str, list[bool]] = defaultdict(list)
    listed = {row for row, _ in hits}
    for row, name in enumerate(clean, start=len(own)):
        wrong[f"false_{name}"].append(row in listed)
    names = ("precision", "low", "high")
    precision = dict(zip(names, said.select(names).row(0), strict=True)) if said.height else {}
    extra = {**facts, "hits": len(hits), **precision, **_by_kind(kinds, right)}
    return len(right) / len(own), {**extra, **{name: float(np.mean(found)) for name, found in wrong.items()}}


def _clean(folder: Path, name: str, n: int) -> list[str]:
    frame = pl.read_parquet(folder / f"{name}.parquet")
    columns = [name for name in ("question", "instruction", "input", "answer", "output") if name in frame.columns]
    texts = frame.sample(min(n, frame.height), seed=0).select(pl.concat_str(columns, separator="\n\n"))
    return texts.to_series().to_list()


def _answers(folder: Path, listed: list[EvaluationItem]) -> list[str]:
    """Return the benchmark's own answer to each item."""
    gsm8k = pl.read_parquet(folder / "gsm8k_test.parquet", columns=["answer"])["answer"].to_list()
    code = pl.read_parquet(folder / "humaneval.parquet", columns=["canonical_solution"])["canonical_solution"].to_list()
    mmlu = pl.read_parquet(folder / "mmlu_test.parquet").rows(named=True)
    found = []
    for place, item in enumerate(listed):
        if item.evaluation == "gsm8k_test":
            found.append(gsm8k[int(item.item)])
        elif item.evaluation == "humaneval":
            found.append(code[place - len(gsm8k)])
        else:
            record = mmlu[int(item.item)]
            found.append(str(record[record["answer"]]))
    return found


def _evaluation(source_file: str) -> str:
    for part, name in (("gsm8k", "gsm8k_test"), ("humaneval", "humaneval")):
        if part in source_file:
            return name
    return "mmlu_test"


def _reworded_items(folder: Path) -> tuple[list[EvaluationItem], dict[str, list[int]]]:
    """Items of the reworded benchmarks, and for each origin the places of its items among them."""
    subjects = pl.read_parquet(folder / "mmlu_test.parquet", columns=["_subject"])["_subject"].to_list()
    wanted = ("abstract_algebra", "high_school_us_history", "sociology")
    listed = items(folder, "gsm8k_test", "humaneval")
    listed += [
        item
        for item in items(folder, "mmlu_test")
        if subjects[int(item.item)].removesuffix("_test").removesuffix(".csv") in wanted
    ]
    origin: dict[str, list[int]] = defaultdict(list)
    for k, item in enumerate(listed):
        name = item.evaluation if item.evaluation != "mmlu_test" else subjects[int(item.item)]
        origin[name.removesuffix("_test")].append(k)
    return listed, origin


def _truth(source_file: str, place: int, origin: dict[str, list[int]]) -> int | None:
    """Place of the item that a row rewords, where the order of the file tells."""
    if source_file == "humaneval_multi":
        return None
    name = next(name for name in origin if name in source_file)
    return origin[name][place] if place < len(origin[name]) else None


def _kind(source_file: str) -> str:
    if source_file.startswith("humaneval"):
        return "code_python" if source_file.endswith("python") else "code_other"
    return "chinese" if "chinese" in source_file else "english"


def _by_kind(kinds: list[str], hits: set[int]) -> dict[str, float]:
    counted: dict[str, list[bool]] = defaultdict(list)
    for row, kind in enumerate(kinds):
        counted[kind].append(row in hits)
    return {kind: float(np.mean(found)) for kind, found in sorted(counted.items())}


def _encode(sets: list[list[str]]) -> list[np.ndarray]:
    """Vectors of all texts of all sets: the default model, weighted mean of its last layer, as `rds_plus` has it."""
    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import EncoderSpec

    flat = [[{"role": "user", "content": text}] for texts in sets for text in texts]
    with Encoder(EncoderSpec.model_validate({"layers": "last", "max_tokens": 256})) as encoder:
        vectors = encoder.encode(flat).layers[encoder.layers[-1]]
    return np.split(vectors, np.cumsum([len(texts) for texts in sets])[:-1])


def _named(table: str, row: Row) -> Row:
    return replace(row, extra={"table": table, **row.extra})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=52_002, help="rows of the pool")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--planted", type=int, default=10_000, help="clean rows of the table planted; 0 leaves it out")
    parser.add_argument("--reworded", type=int, default=4_146, help="reworded rows; 0 leaves that table out")
    parser.add_argument("--clean", type=int, default=2_000, help="clean rows of alpaca_52k among the reworded ones")
    parser.add_argument("--no-record", action="store_true", help="print only")
    parser.add_argument("--audit", action="store_true", help="print every hit of alpaca_52k, and no table")
    options = parser.parse_args(argv)
    if options.audit:
        print(*audit(), sep="\n")
        return 0
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_pool(Path(folder), options.n)
        for _ in range(options.repeats):
            for name in _IMPLEMENTED:
                got = isolated("benchmarks.contamination:words", implementation=name, folder=folder)
                if name not in best or got["wall_s"] < best[name]["wall_s"]:
                    best[name] = got
    rows = []
    for name, got in best.items():
        cost = Measured(got["wall_s"], got["cpu_s"], got["peak_rss_mb"])
        extra = {
            "table": "words",
            "rows_per_s": round(options.n / got["wall_s"]),
            "index_s": round(got["index_s"], 2),
            "warm_up_s": round(got["warm_up_s"], 2),
            "right": got["right"],
            "exact": got["exact"],
            "organic": got["organic"],
            "known": got["known"],
            "organic_by": got["organic_by"],
            **{manner.replace(" ", "_"): round(share, 3) for manner, share in got["recall"].items()},
        }
        rows.append(Row(name, options.n, cost, got["all"], {k: v for k, v in extra.items() if v is not None}))
    if options.planted:
        rows += [_named("planted", row) for row in planted_rows(options.planted)]
    if options.reworded:
        rows += [_named("reworded", row) for row in reworded(options.reworded, options.clean)]
    report("contamination", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
