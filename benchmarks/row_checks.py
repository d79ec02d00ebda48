"""Scores that check single rows: pairs of questions and answers by vectors, and verifiers without a model.

Development datasets needed. ``pairs``: 300 rows each of eight pools, of which a fifth have the answer of another of
these rows of the same pool; AUC of ``1 - pair_similarity`` over all and within each pool, beside the length of the
answer and the words that it shares with its question. A pool in a language that the encoder does not know comes last,
and is not in the AUC over all. ``planted``: for each verifier faults made by a program; AUC, and the share of faults
and of clean rows that it flags. ``clean``: the share of the rows of each pool that each verifier flags.
A row is flagged by a value above 0; by ``unfinished_end``, whose 0.5 only says that a full stop is missing, by 1.
``--read FILE`` writes 50 flagged rows, drawn at random over pools and verifiers, to be read by a person; what was
found is in ``READ``.
"""

import argparse
import json
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import RESULTS, Row, measured, report
from benchmarks.projects import shared_data, write_yaml

OPERATION = "row_checks"
EACH = 300
SWAPPED = 0.2
POOLS = {
    "alpaca_52k": ("instruction", "input", "output"),
    "dolly_3k": ("instruction", "input", "output"),
    "code_alpaca_2k": ("instruction", "input", "output"),
    "new_codealpaca": ("instruction", "input", "output"),
    "llms_from_scratch_instruction_1100": ("instruction", "input", "output"),
    "llamafactory_alpaca_en_demo": ("instruction", "input", "output"),
    "gsm8k_train": ("question", "", "answer"),
    "math_test_5000": ("problem", "", "solution"),
    "llamafactory_alpaca_zh_demo": ("instruction", "input", "output"),
}
FOREIGN = "llamafactory_alpaca_zh_demo"
ROWS_OF_A_POOL = 8000
FLAGGED_FROM = {"unfinished_end": 1.0}
"""Verifier -> lowest value that flags a row, where it is not just above 0."""

READ: dict[str, tuple[int, int]] = {
    "arithmetic_wrong": (13, 9),
    "constraints_missed": (5, 5),
    "refusal": (14, 12),
    "template_left": (10, 10),
    "text_missing": (3, 3),
    "unfinished_end": (5, 4),
}
"""Verifier -> (rows read, rows that are at fault), of the 50 rows of ``--read``."""

Pair = tuple[str, str]


def pairs_of(name: str) -> list[Pair]:
    """Return (question, answer) of a pool, without rows that lack a side."""
    columns = POOLS[name]
    frame = pl.read_parquet(shared_data() / f"{name}.parquet").head(ROWS_OF_A_POOL)
    found = []
    for row in frame.iter_rows(named=True):
        question = "\n\n".join(row[key].strip() for key in columns[:2] if key and (row[key] or "").strip())
        found.append((question, row[columns[2]] or ""))
    return [(question, answer) for question, answer in found if question.strip() and answer.strip()]


def auc(bad: np.ndarray, good: np.ndarray) -> float:
    """Return the chance that a bad row has the larger value; ties count half."""
    order = np.sort(good)
    below = np.searchsorted(order, bad, "left") + np.searchsorted(order, bad, "right")
    return round(float(below.mean() / 2 / len(good)), 4)


# --------------------------------------------------------------------------------------------------------- pairs
def swapped_pairs() -> tuple[dict[str, list[Pair]], dict[str, np.ndarray]]:
    """Return the rows of each pool, and which of them have the answer of another row."""
    draw = random.Random(0)
    rows, which = {}, {}
    for name in POOLS:
        # Each question and each answer once, so that no swap gives a row its own answer.
        distinct = list({answer: pair for pair in dict(pairs_of(name)).items() for answer in pair[1:]}.values())
        own = draw.sample(distinct, EACH)
        places = draw.sample(range(EACH), int(SWAPPED * EACH))
        answers = [answer for _, answer in own]
        for k, place in enumerate(places):
            answers[place] = own[places[k - 1]][1]
        rows[name] = [(question, answer) for (question, _), answer in zip(own, answers, strict=True)]
        which[name] = np.isin(np.arange(EACH), places)
    return rows, which


def measure_pairs(folder: Path) -> list[Row]:
    """Run the product over the rows with swapped answers."""
    from datasel_assets.tables import make, open_warehouse

    rows, which = swapped_pairs()
    for name, own in rows.items():
        records = [{"prompt": question, "completion": answer} for question, answer in own]
        path = folder / "files" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        write_yaml(folder / "sources" / f"{name}.yaml", {"uri": f"files/{name}.jsonl"})
    write_yaml(folder / "scores" / "apt.yaml", {"how": "pair_similarity"})
    warehouse = open_warehouse(folder, "cpu")
    with measured() as cost:
        for name in rows:
            make(warehouse, "pair_similarity/apt", name, upstream=True)
            make(warehouse, "scores/text", name, upstream=True)
    values: dict[str, dict[str, np.ndarray]] = {}
    for name in rows:
        lake = warehouse.lake
        order = lake.scan(("corpus", name)).select("row_id", "position", "response")
        table = order.join(lake.scan(("pair_similarity", "apt", name)), on="row_id")
        table = table.join(lake.scan(("scores", "text", name)).select("row_id", "prompt_jaccard"), on="row_id")
        found = table.sort("position").collect()
        if found.height != EACH:
            raise SystemExit(f"{name}: {EACH - found.height} rows went to quarantine")
        for score, column in (
            ("pair_similarity", found["score"]),
            ("text.prompt_jaccard", found["prompt_jaccard"]),
            ("length", found["response"].str.len_chars().cast(pl.Float64)),
        ):
            values.setdefault(score, {})[name] = -column.to_numpy()
    known = [name for name in rows if name != FOREIGN]
    bad = np.concatenate([which[name] for name in known])
    made = []
    for score, by_pool in values.items():
        whole = np.concatenate([by_pool[name] for name in known])
        facts: dict[str, Any] = {"part": "pairs", "all": auc(whole[bad], whole[~bad])}
        facts |= {name: auc(by_pool[name][which[name]], by_pool[name][~which[name]]) for name in rows}
        made.append(Row(score, len(whole), cost, facts["all"], facts))
    return made


# ----------------------------------------------------------------------------------------------------- verifiers
def _wrong_sum(pair: Pair, draw: random.Random) -> Pair | None:
    found = list(re.finditer(r"(?<==)\s*\$?(\d+)(?=[\s.<,]|$)", re.sub(r"<<.*?>>", "", pair[1])))
    if not found:
        return None
    text, one = re.sub(r"<<.*?>>", "", pair[1]), draw.choice(found)
    return pair[0], text[: one.start(1)] + str(int(one[1]) + draw.randint(1, 9)) + text[one.end(1) :]


def _broken_code(pair: Pair, draw: random.Random) -> Pair | None:
    lines = pair[1].split("\n")
    if "def " not in pair[1] or "```" in pair[1] or len(lines) < 4:
        return None
    start = draw.randrange(1, len(lines))
    lines[start] = lines[start].rstrip(":") + " ("
    return pair[0], "```python\n" + "\n".join(lines) + "\n```"


def _fenced(pair: Pair, draw: random.Random) -> Pair | None:
    return (pair[0], f"```python\n{pair[1]}\n```") if "def " in pair[1] and "```" not in pair[1] else None


def _as_json(broken: bool) -> Callable[[Pair, random.Random], Pair]:
    def plant(pair: Pair, draw: random.Random) -> Pair:
        text = json.dumps({"answer": pair[1][:200], "words": len(pair[1].split())})
        cut = draw.randrange(3, len(text) - 1)
        return "Give three facts and answer in JSON format.", text[:cut] if broken else text

    return plant


def _too_long(pair: Pair, draw: random.Random) -> Pair | None:
    n = len(pair[1].split())
    return (f"{pair[0]}\n\nAnswer in at most {max(1, n // 2)} words.", pair[1]) if n > 8 else None


def _long_enough(pair: Pair, draw: random.Random) -> Pair | None:
    n = len(pair[1].split())
    return (f"{pair[0]}\n\nAnswer in at most {n * 2} words.", pair[1]) if n > 8 else None


def _choices(right: bool) -> Callable[[Pair, random.Random], Pair]:
    def plant(pair: Pair, draw: random.Random) -> Pair:
        colours = draw.sample(["red", "blue", "green", "white", "black", "brown"], 5)
        question = "Which colour is meant?\n" + "\n".join(f"{'ABCD'[k]}) {colours[k]}" for k in range(4))
        said = colours[0] if right else colours[4]
        return question, draw.choice([f"The answer is {said}.", said, "A" if right else "E"])

    return plant


def _text_taken(pair: Pair, draw: random.Random) -> Pair | None:
    instruction, _, given = pair[0].partition("\n\n")
    return (instruction, pair[1]) if given and "following" in instruction and ":" not in instruction else None


def _text_kept(pair: Pair, draw: random.Random) -> Pair | None:
    return pair if _text_taken(pair, draw) else None


def _cut(pair: Pair, draw: random.Random) -> Pair | None:
    words = pair[1].split(" ")
    return (pair[0], " ".join(words[: round(draw.uniform(0.2, 0.8) * len(words))])) if len(words) > 30 else None


def _long(pair: Pair, draw: random.Random) -> Pair | None:
    return pair if len(pair[1].split(" ")) > 30 else None


def _leftover(pair: Pair, draw: random.Random) -> Pair:
    token = draw.choice(["<|im_end|>", "{{answer}}", "[INST]", "</s>", "\n\n### Response:\n", "[INSERT NAME]"])
    return pair[0], f"{pair[1]} {token}"


def _refused(pair: Pair, draw: random.Random) -> Pair:
    said = [
        "I'm sorry, but I cannot assist with that request.",
        "As an AI language model, I don't have access to this information.",
        "I am unable to provide an answer to this question.",
        "Sorry, I can't help with that.",
        "I cannot fulfill this request.",
    ]
    return pair[0], draw.choice(said)


def _same(pair: Pair, draw: random.Random) -> Pair:
    return pair


PLANTED: dict[str, tuple[str, Callable[..., Pair | None], Callable[..., Pair | None]]] = {
    "arithmetic_wrong": ("gsm8k_train", _wrong_sum, _same),
    "choice_missed": ("dolly_3k", _choices(False), _choices(True)),
    "code_invalid": ("new_codealpaca", _broken_code, _fenced),
    "constraints_missed": ("dolly_3k", _too_long, _long_enough),
    "json_invalid": ("dolly_3k", _as_json(True), _as_json(False)),
    "refusal": ("dolly_3k", _refused, _same),
    "template_left": ("dolly_3k", _leftover, _same),
    "text_missing": ("alpaca_52k", _text_taken, _text_kept),
    "unfinished_end": ("alpaca_52k", _cut, _long),
}
"""Verifier -> pool, how a fault is planted in a row, and what its clean counterpart is; None: not in this row."""


def verdicts(name: str, rows: Sequence[Pair]) -> np.ndarray:
    """Return what a verifier says of rows; NaN where it does not apply."""
    from datasel_assets.indicators.verify import VERIFY
    from datasel_assets.indicators.verify.exchange import Exchange

    return VERIFY[name]([[Exchange(question, answer)] for question, answer in rows])


def flags(name: str, values: np.ndarray) -> np.ndarray:
    """Return which rows a verifier flags."""
    return np.nan_to_num(values) >= FLAGGED_FROM.get(name, 1e-9)


def measure_planted() -> list[Row]:
    """Measure every verifier on faults made for it."""
    made = []
    for name, (pool, plant, keep) in PLANTED.items():
        draw = random.Random(0)
        rows = draw.sample(pairs_of(pool), min(2000, len(pairs_of(pool))))
        bad_rows = [row for row in (plant(row, draw) for row in rows[::2]) if row]
        good_rows = [row for row in (keep(row, draw) for row in rows[1::2]) if row]
        with measured() as cost:
            bad, good = verdicts(name, bad_rows), verdicts(name, good_rows)
        values = np.nan_to_num(np.concatenate([bad, good]))  # what does not apply counts as passed
        facts = {
            "part": "planted",
            "pool": pool,
            "faults": len(bad),
            "clean": len(good),
            "faults_flagged": round(float(flags(name, bad).mean()), 4),
            "clean_flagged": round(float(flags(name, good).mean()), 4),
        }
        made.append(Row(name, len(values), cost, auc(values[: len(bad)], values[len(bad) :]), facts))
    return made


def measure_clean(read: Path | None) -> list[Row]:
    """Return the share of the rows of public pools that each verifier flags; write some of them to be read."""
    from datasel_assets.indicators.verify import VERIFY

    made, flagged = [], []
    rows = {pool: pairs_of(pool) for pool in POOLS}
    for name in VERIFY:
        facts: dict[str, Any] = {"part": "clean"}
        with measured() as cost:
            found = {pool: verdicts(name, own) for pool, own in rows.items()}
        for pool, values in found.items():
            facts[pool] = round(float(flags(name, values).mean()), 5)
            facts[f"{pool} applies"] = round(float((~np.isnan(values)).mean()), 4)
            flagged += [(name, pool, *rows[pool][k]) for k in np.flatnonzero(flags(name, values))]
        made.append(Row(name, sum(map(len, rows.values())), cost, None, facts))
    if read is not None:
        some = random.Random(1).sample(flagged, 50)
        lines = [json.dumps(dict(zip(("verifier", "pool", "question", "answer"), row, strict=True))) for row in some]
        read.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


# ---------------------------------------------------------------------------------------------------------- page
def sections() -> list[str]:
    """Return what docs/defects.md says of these scores, from the newest results; nothing where there are none."""
    path = RESULTS / f"{OPERATION}.jsonl"
    if not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    parts = {
        part: {one["implementation"]: one for one in lines if one["part"] == part}
        for part in ("pairs", "planted", "clean")
    }
    return [*_pairs_section(parts["pairs"]), *_verifier_section(parts["planted"], parts["clean"])]


def _pairs_section(pairs: dict[str, dict[str, Any]]) -> list[str]:
    head = [
        "",
        "## Answers that belong to another question",
        "",
        f"{EACH} rows each of eight pools in English, of which a fifth have the answer of another row of their pool "
        "(`python -m benchmarks.row_checks`): AUC of the swapped rows over all 2,400, and within each pool alone. The "
        f"encoder reads English: of {FOREIGN}, which is Chinese and not among the 2,400, it tells less; take one of "
        "several languages there (`model:`).",
        "",
        "| pool | " + " | ".join(f"`{score}`" for score in pairs) + " |",
        "|---|" + "---:|" * len(pairs),
    ]
    return head + [
        f"| {name} | " + " | ".join(f"{line[name]:.3f}" for line in pairs.values()) + " |" for name in ("all", *POOLS)
    ]


def _verifier_section(planted: dict[str, dict[str, Any]], clean: dict[str, dict[str, Any]]) -> list[str]:
    head = [
        "",
        "## Verifiers",
        "",
        "AUC on faults that a program planted, and the shares of these rows and of their clean counterparts that are "
        "flagged (a value above 0; 1 for `unfinished_end`). Where a verifier does not apply it counts as passed.",
        "",
        "| verifier | pool | AUC | faults flagged | clean flagged |",
        "|---|---|---:|---:|---:|",
    ]
    for name, line in planted.items():
        flagged = (
            f"{line['faults_flagged']:.3f} of {line['faults']:,} | {line['clean_flagged']:.3f} of {line['clean']:,}"
        )
        head.append(f"| `{name}` | {line['pool']} | {line['objective']:.3f} | {flagged} |")
    head += [
        "",
        "Flagged in public pools, per 10,000 rows (where it applies to fewer than half of the rows, in brackets to how "
        "many per cent):",
        "",
        "| verifier | " + " | ".join(POOLS) + " |",
        "|---|" + "---:|" * len(POOLS),
    ]
    for name, line in clean.items():
        cells = []
        for pool in POOLS:
            applies = line[f"{pool} applies"]
            cells.append(f"{1e4 * line[pool]:.1f}" + (f" ({100 * applies:.1f})" if applies < 0.5 else ""))
        head.append(f"| `{name}` | " + " | ".join(cells) + " |")
    if READ:
        right, total = sum(good for _, good in READ.values()), sum(n for n, _ in READ.values())
        each = ", ".join(f"`{name}` {good} of {n}" for name, (n, good) in READ.items())
        head += ["", f"Of {total} flagged rows of these pools, drawn at random and read, {right} are at fault: {each}."]
    return head


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and record one line for each score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["pairs", "planted", "clean"], help="what to measure")
    parser.add_argument("--read", type=Path, help="write 50 flagged rows of clean pools here")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    rows: list[Row] = []
    if "pairs" in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure_pairs(Path(folder))
    if "planted" in options.parts:
        rows += measure_planted()
    if "clean" in options.parts:
        rows += measure_clean(options.read)
    report(OPERATION, rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
