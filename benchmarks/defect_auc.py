"""What each indicator tells: its AUC for defects at known places and for answers that are known to be worse.

Development datasets needed. Three pools go through the product as a user's would (``datasel_assets run``): the proxy
language model is trained on the polluted pool, neighbours are found in it, words are counted in it.

- ``dolly``: dolly_3k, of which 120 rows each, drawn at random, have one of six defects in their response: the response
  of another of these rows (``shuffled``); the first 20 to 60 % of its words (``truncated``); its first third, then the
  last six words of that over and over up to the old length (``repeated``); a Chinese response of another pool
  (``language``); three characters in ten replaced by symbols (``garbage``); a stock phrase such as "N/A" (``empty``).
  The other rows count as clean, whatever their faults. Rows of fewer than eight words in the response are in the pool
  and in no comparison.
- ``gsm8k``: the 6b_finetuning solutions of gsm8k_model_solutions; defective are those with a wrong result.
- ``alpaca_eval``: answers to the same prompts. ``weaker``: baize-v2-7b (length-controlled win rate 4.4) beside
  gpt4_1106_preview_concise (41.9), equally long; ``weaker, longer``: guanaco-7b (2.9) beside vicuna-13b (9.2), a third
  longer.

An AUC is the chance that a random defective row is ranked as worse than a random clean one, by the sign that the
indicator declares (for ``mid``: farther from the median rank); ties count half. A missing value is the worst, because
recipes never choose such a row; ``missing`` is their share among clean rows of dolly. Controls: ``length``, characters
of the response, longer is better; ``random``. ``--page`` writes docs/defects.md from the newest results; ``--add``
measures scores that need no language model over the same rows and adds them to the newest run.
"""

import argparse
import json
import random
import string
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import row_checks as checks
from benchmarks.harness import RESULTS, Measured, Row, measured, report
from benchmarks.projects import REPOSITORY, run_log, run_project, shared_data, write_yaml

OPERATION = "defect_auc"
PAGE = REPOSITORY / "docs" / "defects.md"
SOURCE = "pool"
LANGUAGE_MODEL = {
    "causal": {"model": "local:proxy_lm", "max_tokens": 256},
    "contexts": ["unconditioned_bare", "unconditioned_header", "perturbed", "subnet"],
    "copies": 2,
    "subnet_rates": [0.3],
    "proxy": {"hidden": 128, "layers": 3, "max_tokens": 256, "token_budget": 250_000},
}
REPRESENTATION = {
    "encoder": {"max_tokens": 256, "pooling": "weighted_mean", "layers": [-1]},
    "compress": {"method": "none"},
    "clusters": {"k": "auto"},
    "neighbours": True,
}
ADDED = {"pair_similarity/apt": {"how": "pair_similarity"}, "scores/verify": None}
"""Tables that ``--add`` measures, with the files in ``scores/`` that they need."""
FEWEST_WORDS = 8
STOCK = (".", "...", "-", "N/A", "None", "OK.", "Sure!", "I don't know.", "See above.", "Yes")
ANSWERS = (("weaker", "gpt4_1106_preview_concise", "baize-v2-7b"), ("weaker, longer", "vicuna-13b", "guanaco-7b"))
DEFECTS = ("shuffled", "truncated", "repeated", "language", "garbage", "empty")
COLUMNS = (*DEFECTS, "wrong result", *(name for name, _, _ in ANSWERS))
"""What is told apart, in the order of the page."""

Pool = tuple[list[dict[str, str]], list[tuple[str, str]]]
"""Rows, and for each of them (comparison, "" where clean; group of the clean rows that it is compared with)."""

Scored = Callable[[Path, list[dict[str, str]]], tuple[pl.DataFrame, dict[str, str], Measured]]
"""Scores of a pool in the order of its rows, their keep signs, the cost."""


def truncated(text: str, draw: random.Random) -> str:
    """Return the first 20 to 60 % of the words."""
    words = text.split(" ")
    return " ".join(words[: max(1, round(draw.uniform(0.2, 0.6) * len(words)))])


def repeated(text: str, draw: random.Random) -> str:
    """Return the first third of the words, then the last six of these again and again up to the old length."""
    words = text.split(" ")
    found = words[: max(6, len(words) // 3)]
    loop = found[-6:]
    while len(found) < max(len(words), 24):
        found += loop
    return " ".join(found[: max(len(words), 24)])


def garbage(text: str, draw: random.Random) -> str:
    """Return the text with three characters in ten replaced by symbols."""
    symbols = string.punctuation + "\ufffd\u00c3\u00e2\u20ac"
    return "".join(draw.choice(symbols) if draw.random() < 0.3 else character for character in text)


def dolly(n: int, each: int) -> Pool:
    """Return dolly_3k with ``each`` rows of every defect."""
    draw = random.Random(0)
    frame = pl.read_parquet(shared_data() / "dolly_3k.parquet").head(n)
    rows = [{key: row[key] or "" for key in ("instruction", "input", "output")} for row in frame.iter_rows(named=True)]
    chinese = pl.read_parquet(shared_data() / "llamafactory_alpaca_zh_demo.parquet")["output"].to_list()
    longer = [place for place, row in enumerate(rows) if len(row["output"].split()) >= FEWEST_WORDS]
    chosen = draw.sample(longer, each * len(DEFECTS))
    places = {name: chosen[k * each : (k + 1) * each] for k, name in enumerate(DEFECTS)}
    old = [row["output"] for row in rows]
    make: dict[str, Callable[[int, int], str]] = {
        "shuffled": lambda place, k: old[places["shuffled"][k - 1]],
        "truncated": lambda place, k: truncated(old[place], draw),
        "repeated": lambda place, k: repeated(old[place], draw),
        "language": lambda place, k: draw.choice(chinese),
        "garbage": lambda place, k: garbage(old[place], draw),
        "empty": lambda place, k: draw.choice(STOCK),
    }
    said = [("", "short")] * len(rows)
    for place in longer:
        said[place] = ("", "dolly")
    for name, listed in places.items():
        for k, place in enumerate(listed):
            rows[place]["output"] = make[name](place, k)
            said[place] = (name, "dolly")
    return rows, said


def gsm8k(n: int, each: int) -> Pool:
    """Return model solutions, defective where the result is wrong."""
    frame = pl.read_parquet(shared_data() / "gsm8k_model_solutions.parquet").sample(min(n, 1319) // 2 * 2, seed=0)
    found = [(row["question"], row["6b_finetuning"]) for row in frame.iter_rows(named=True)]
    rows = [{"instruction": question, "input": "", "output": solution["solution"]} for question, solution in found]
    return rows, [("" if solution["is_correct"] else "wrong result", "gsm8k") for _, solution in found]


def alpaca_eval(n: int, each: int) -> Pool:
    """Return answers of a better and of a weaker model to the same prompts, other prompts for each pair of models."""
    frame = pl.read_parquet(shared_data() / "alpaca_eval_model_outputs.parquet")
    answers = {
        name: dict(part.select("instruction", "output").iter_rows()) for (name,), part in frame.group_by("_source_file")
    }
    prompts = frame["instruction"].unique(maintain_order=True).to_list()
    random.Random(0).shuffle(prompts)
    rows, said = [], []
    for k, (name, better, weaker) in enumerate(ANSWERS):
        for prompt in prompts[k * n // 4 : (k + 1) * n // 4]:
            for model, defect in ((better, ""), (weaker, name)):
                rows.append({"instruction": prompt, "input": "", "output": answers[model][prompt]})
                said.append((defect, name))
    return rows, said


POOLS: dict[str, Callable[[int, int], Pool]] = {"dolly": dolly, "gsm8k": gsm8k, "alpaca_eval": alpaca_eval}


def scored(data: Path, rows: list[dict[str, str]]) -> tuple[pl.DataFrame, dict[str, str], Measured]:
    """Run the product over one pool; return all scores in the order of the rows, their keep signs, and the cost."""
    from datasel_assets.settings import Settings
    from datasel_assets.tables.warehouse import Warehouse

    write_source(data, rows)
    write_yaml(data / "representations" / "rds_plus.yaml", REPRESENTATION)
    write_yaml(data / "language_models" / "proxy_lm.yaml", LANGUAGE_MODEL)
    run_project(data)
    steps = run_log(data)  # and not the clock, because a run that was interrupted is taken up again
    wall, cpu = (sum(step[key] for step in steps) for key in ("seconds", "cpu_seconds"))
    cost = Measured(wall, cpu, max(step["peak_rss_mb"] for step in steps))
    warehouse = Warehouse(Settings.at(data, "cpu"))
    pool, keep = read_scores(warehouse, len(rows))
    draw = np.random.default_rng(0)
    controls = {"control.length": pool["response_chars"].cast(pl.Float64), "control.random": draw.random(pool.height)}
    return pool.with_columns(**controls), {**dict.fromkeys(controls, "high"), **keep}, cost


def scored_without_a_model(data: Path, rows: list[dict[str, str]]) -> tuple[pl.DataFrame, dict[str, str], Measured]:
    """Make only the tables of ``ADDED`` over one pool; else as :func:`scored`."""
    from datasel_assets.tables import make, open_warehouse

    write_source(data, rows)
    for table, spec in ADDED.items():
        if spec is not None:
            write_yaml(data / "scores" / f"{table.partition('/')[2]}.yaml", spec)
    warehouse = open_warehouse(data, "cpu")
    with measured() as cost:
        for table in ADDED:
            make(warehouse, table, SOURCE, upstream=True)
        make(warehouse, "duplicates", None, upstream=True)
    families = tuple(
        f"{table.rpartition('/')[2] if table.startswith('scores/') else table.partition('/')[0]}." for table in ADDED
    )
    pool, keep = read_scores(warehouse, len(rows), families)
    return pool, keep, cost


def read_scores(warehouse: Any, rows: int, families: tuple[str, ...] = ("",)) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the scores of the pool in the order of its rows, and their keep signs."""
    from datasel_assets.tables.pool import read_pool

    keep = {name: sign for name, sign in warehouse.registry.score_keep().items() if name.startswith(families)}
    places = warehouse.lake.scan(("corpus", SOURCE)).select("row_id", "position").collect()
    pool = read_pool(warehouse, scores=keep).join(places, on="row_id").sort("position")
    if pool.height != rows:
        raise SystemExit(f"{rows - pool.height} rows went to quarantine")
    return pool, keep


def write_source(data: Path, rows: list[dict[str, str]]) -> None:
    """Write the rows of a pool and its registry file."""
    write_yaml(data / "sources" / f"{SOURCE}.yaml", {"uri": "files/pool.jsonl", "format": "alpaca"})
    path = data / "files" / "pool.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def badness(values: np.ndarray, keep: str) -> np.ndarray:
    """Return how bad each row is by a score, the best 0; a missing value is the worst."""
    from datasel_assets.indicators.blend import percentile_rank

    known = ~np.isnan(values)
    found = np.full(len(values), np.inf)
    if known.any():
        of_known = values[known]
        found[known] = {
            "high": lambda: -of_known,
            "low": lambda: of_known,
            "mid": lambda: np.abs(percentile_rank(of_known) - 0.5),
        }[keep]()
    return found


def auc(defective: np.ndarray, clean: np.ndarray) -> float:
    """Return the chance that a defective row is worse than a clean one; ties count half (Mann and Whitney 1947)."""
    order = np.sort(clean)
    below = np.searchsorted(order, defective, "left") + np.searchsorted(order, defective, "right")
    return float(below.mean() / 2 / len(clean))


def measure(
    name: str, n: int, each: int, folder: Path, score: Scored
) -> tuple[dict[str, dict[str, Any]], Measured, int]:
    """Return the AUCs of one pool by score, what the product took, and the number of rows."""
    rows, said = POOLS[name](n, each)
    pool, keep, cost = score(folder / name, rows)
    defects = np.array([defect for defect, _ in said])
    groups = np.array([group for _, group in said])
    found: dict[str, dict[str, Any]] = {}
    for column, sign in keep.items():
        values = pool[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        bad = badness(values, sign)
        found[column] = {"keep": sign}
        for defect, group in sorted({pair for pair in said if pair[0]}):
            clean = bad[(defects == "") & (groups == group)]
            found[column][defect] = round(auc(bad[defects == defect], clean), 4)
            found[column][f"{defect} rows"] = int((defects == defect).sum())
        if name == "dolly":
            found[column]["missing"] = round(float(np.isnan(values[(defects == "") & (groups == "dolly")]).mean()), 4)
    return found, cost, len(rows)


def newest() -> list[dict[str, Any]]:
    """Return the lines of the newest run; of a score that was added twice the last one."""
    lines = [json.loads(line) for line in (RESULTS / f"{OPERATION}.jsonl").read_text("utf-8").splitlines()]
    return list({line["implementation"]: line for line in lines if line["run"] == lines[-1]["run"]}.values())


def page() -> str:
    """Return docs/defects.md from the newest results."""
    measures = newest()
    columns = [name for name in COLUMNS if name in measures[0]]
    counts = ", ".join(f"{name} {measures[0][f'{name} rows']}" for name in columns)
    scores = [line for line in measures if not line["implementation"].startswith("control.")]
    best = {name: sorted(scores, key=lambda line: -line[name])[:3] for name in columns}
    head = [
        "# What each indicator tells",
        "",
        "Written by `python -m benchmarks.defect_auc --page` from `benchmarks/results/defect_auc.jsonl`; the module "
        "says how the defects are made. Do not edit by hand.",
        "",
        "1. A figure is the chance that a defective row is ranked as worse than a clean one by the indicator's own "
        "`keep` sign: 1 always, 0.5 as by chance, 0 always the wrong way round. A missing value counts as the worst.",
        "2. Read it beside the two controls at the top: what `control.length` reaches needs no indicator; with 120 "
        "defective rows, figures from 0.45 to 0.55 are chance. A figure far below 0.5 tells the fault too, by the "
        "opposite sign.",
        "3. A column is one kind of fault in three pools of one language and one kind each: a high figure says that "
        "the indicator sees this fault here, and a low one that it looks at something else, not that it is useless.",
        "",
        f"Defective rows: {counts}. The language model is trained on each polluted pool; it has under two million "
        "parameters.",
        "",
        "| fault | best three indicators | farthest the wrong way round | length |",
        "|---|---|---|---:|",
    ]
    control = next(line for line in measures if line["implementation"] == "control.length")
    for name in columns:
        shown = ", ".join(f"`{line['implementation']}` {line[name]:.2f}" for line in best[name])
        worst = min(scores, key=lambda line: line[name])
        wrong = f"`{worst['implementation']}` {worst[name]:.2f}"
        head.append(f"| {name} | {shown} | {wrong} | {control[name]:.2f} |")
    head += [
        "",
        "| indicator | keep | missing | " + " | ".join(columns) + " |",
        "|---|---|---:|" + "---:|" * len(columns),
    ]
    for line in measures:
        cells = " | ".join(f"{line[name]:.2f}" for name in columns)
        head.append(f"| `{line['implementation']}` | {line['keep']} | {line['missing']:.2f} | {cells} |")
    return "\n".join([*head, *checks.sections()]) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the pools, record one line for each indicator, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2996, help="rows of dolly; the other pools take a third")
    parser.add_argument("--each", type=int, default=120, help="rows of each defect")
    parser.add_argument("--folder", type=Path, help="keep the pools here, to take an interrupted run up again")
    parser.add_argument("--page", action="store_true", help="only write docs/defects.md")
    parser.add_argument("--add", action="store_true", help="add scores without a language model to the newest run")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    if not options.page:
        found: dict[str, dict[str, Any]] = {}
        total, rows = Measured(), 0
        temporary = tempfile.TemporaryDirectory()
        folder: Path = options.folder or Path(temporary.name)
        for name in POOLS:
            size, how = (
                options.n if name == "dolly" else options.n // 3,
                scored_without_a_model if options.add else scored,
            )
            part, cost, n = measure(name, size, options.each, folder, how)
            for score, facts in part.items():
                found.setdefault(score, {}).update(facts)
            total = Measured(
                total.wall_s + cost.wall_s, total.cpu_s + cost.cpu_s, max(total.peak_rss_mb, cost.peak_rss_mb)
            )
            rows += n
        temporary.cleanup()
        run = {"run": newest()[0]["run"] if options.add else datetime.now(UTC).isoformat(timespec="seconds")}
        made = [Row(score, rows, total, None, {**facts, **run}) for score, facts in found.items()]
        report(OPERATION, made, record=not options.no_record)
    if not options.no_record:
        PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
