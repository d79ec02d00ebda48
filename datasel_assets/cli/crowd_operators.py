"""``datasel crowd classify`` and its kin: answers of people in a CSV file, and what they say as another.

Belongs here: arguments, files in and out. Does not: what answers say (``crowd.operators``), the simulation (``crowd``).
"""

import argparse
import csv
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

METHODS = ("majority", "zencrowd", "dawid_skene", "glad", "pm", "catd")
RIDGE = 0.01
"""Penalty on squared strengths: it keeps those of things that always win finite."""
TRUE, FALSE = {"same", "yes", "1", "true"}, {"different", "no", "0", "false"}
HELPS = {
    "classify": "of each task the most probable answer",
    "filter": "the tasks whose answer is one of those to keep",
    "count": "how common each answer is, with an interval",
    "match": "which pairs are the same, what follows, and which to ask next",
    "cluster": "the same as sets: of each item its cluster",
    "sort": "items by how often they are preferred (Bradley and Terry)",
    "prune": "between which likelihoods pairs have to be asked at all",
}
"""Operator -> what it gives."""
PAIRED = ("match", "cluster", "sort")


class _FileError(ValueError):
    """A file is not what is wanted; the message names it."""


def add_operators(commands: Any) -> None:
    """Declare a command for each operator."""
    for name, what in HELPS.items():
        own = commands.add_parser(name, help=what, description=f"Answers of people in a CSV file: {what}.")
        columns = "left, right, worker, answer" if name in PAIRED else "task (or row_id), worker, answer"
        columns = "likelihood, answer of a random sample of pairs" if name == "prune" else columns
        own.add_argument("answers", type=Path, help=f"CSV with {columns}")
        own.add_argument("--out", type=Path, metavar="FILE", help="write the lines to FILE instead of the terminal")
        if name not in ("sort", "prune"):
            own.add_argument("--truth", choices=METHODS, default="majority", help="what makes one answer of several")
        if name == "prune":
            own.add_argument("--recall", type=float, default=0.95, help="of same pairs (default: %(default)s)")
            own.add_argument("--precision", type=float, default=0.95, help="of those left out (default: %(default)s)")
        if name == "filter":
            own.add_argument("--keep", nargs="+", required=True, metavar="ANSWER", help="answers to keep")
            own.add_argument(
                "--at-least", type=float, default=0.0, metavar="POSTERIOR", help="and how sure they must be"
            )
        if name == "count":
            own.add_argument("--of", type=int, metavar="N", help="how many things the tasks were drawn from")
        if name in ("match", "cluster"):
            own.add_argument(
                "--pairs", type=Path, required=True, help="CSV with left, right and likelihood of all pairs"
            )
            own.add_argument(
                "--certain", type=float, default=0.95, help="answers to deduce from (default: %(default)s)"
            )
            own.add_argument(
                "--least", type=int, default=1, metavar="N", help="and how many there must be (default: 1)"
            )
        if name == "match":
            own.add_argument("--next", type=Path, metavar="FILE", help="write the pairs to ask now to FILE")
            own.add_argument("--per-round", type=int, metavar="N", help="at most so many of them")


def run_operator(arguments: argparse.Namespace) -> int:
    """Carry an operator out; return 2 where a file cannot be used."""
    try:
        lines = _OPERATORS[arguments.what](arguments)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    _write(arguments.out, lines)
    return 0


def _classify(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from datasel_assets.crowd.agreement import krippendorff_alpha
    from datasel_assets.crowd.operators import classify

    named = _named(arguments.answers)
    alpha = krippendorff_alpha(named.answers.task, named.answers.answer, named.answers.n_classes)
    print(f"{len(named.answers):,} answers of {len(named.workers)} workers, alpha {alpha:.2f}", file=sys.stderr)
    return [vars(one) for one in classify(named, arguments.truth)]


def _filter(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from datasel_assets.crowd.operators import filtered

    named = _named(arguments.answers)
    if absent := sorted(set(arguments.keep) - set(named.classes)):
        raise _FileError(f"--keep: nobody answered {absent[0]!r}; there are: {', '.join(named.classes)}")
    return [vars(one) for one in filtered(named, arguments.keep, arguments.at_least, arguments.truth)]


def _count(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from datasel_assets.crowd.operators import count

    named = _named(arguments.answers)
    if arguments.of is not None and arguments.of < len(named.tasks):
        raise _FileError(f"--of: {arguments.of:,} things, and {len(named.tasks):,} were asked about")
    return [vars(one) for one in count(named, arguments.of, arguments.truth)]


def _matched(arguments: argparse.Namespace) -> Any:
    from datasel_assets.crowd.operators import match

    pairs, seen = [], set()
    for where, line in _lines(arguments.pairs, ("left", "right")):
        if line["left"] == line["right"]:
            raise _FileError(f"{where}: both sides are {line['left']!r}")
        key = tuple(sorted((line["left"], line["right"])))
        if key not in seen:
            pairs.append((line["left"], line["right"], _number(line.get("likelihood") or "0", where)))
        seen.add(key)
    answers = [
        (line["left"], line["right"], line["worker"], _is_same(line["answer"], where))
        for where, line in _lines(arguments.answers, ("left", "right", "worker", "answer"))
    ]
    return match(
        pairs,
        answers,
        truth=arguments.truth,
        certain=arguments.certain,
        least=arguments.least,
        per_round=getattr(arguments, "per_round", None),
    )


def _match(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    found = _matched(arguments)
    waiting = [{"left": pair.left, "right": pair.right} for pair in found.pairs if pair.next]
    if arguments.next:
        _write(arguments.next, waiting, ("left", "right"))
    counts = Counter(pair.how for pair in found.pairs)
    told = ", ".join(f"{n:,} {how}" for how, n in sorted(counts.items()))
    print(f"{len(found.pairs):,} pairs: {told}; {len(waiting):,} to ask now", file=sys.stderr)
    return [vars(pair) for pair in found.pairs]


def _cluster(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    sets = _matched(arguments).sets
    return [{"item": item, "cluster": place} for place, one in enumerate(sets) for item in one]


def _sort(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import numpy as np

    from datasel_assets.answers.pairs import strengths

    firsts, seconds, won = [], [], []
    for where, line in _lines(arguments.answers, ("left", "right", "answer")):
        if line["answer"] not in ("left", "right", "tie"):
            raise _FileError(f"{where}: the answer is {line['answer']!r}; it must be left, right or tie")
        firsts.append(line["left"])
        seconds.append(line["right"])
        won.append({"left": 1.0, "right": 0.0, "tie": 0.5}[line["answer"]])
    names = sorted({*firsts, *seconds})
    place = {name: number for number, name in enumerate(names)}
    first, second = (np.array([place[name] for name in side], np.int64) for side in (firsts, seconds))
    found = strengths(first, second, np.array(won), len(names), RIDGE)
    order = sorted(range(len(names)), key=lambda number: (-found[number], names[number]))
    return [{"item": names[n], "rank": rank, "strength": float(found[n])} for rank, n in enumerate(order, 1)]


def _prune(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import numpy as np

    from datasel_assets.crowd.sampling import pruning_band

    lines = list(_lines(arguments.answers, ("likelihood", "answer")))
    likelihood = np.array([_number(line["likelihood"], where) for where, line in lines])
    band = pruning_band(
        likelihood,
        np.array([_is_same(line["answer"], where) for where, line in lines]),
        arguments.recall,
        arguments.precision,
    )
    asked = (likelihood >= band.low) & (likelihood < band.high)
    return [{**vars(band), "share_to_ask": float(asked.mean()) if len(asked) else math.nan}]


_OPERATORS: Mapping[str, Callable[[argparse.Namespace], list[dict[str, Any]]]] = {
    "classify": _classify,
    "filter": _filter,
    "count": _count,
    "match": _match,
    "cluster": _cluster,
    "sort": _sort,
    "prune": _prune,
}


def _named(path: Path) -> Any:
    """Return the answers of a file; of a worker's answers to one task the last counts."""
    from datasel_assets.crowd.answers import numbered

    last: dict[tuple[str, str], str] = {}
    for where, line in _lines(path, ("worker", "answer")):
        task = line.get("task") or line.get("row_id") or line.get("content_hash")
        if not task:
            raise _FileError(f"{where}: it names no task (a column task, row_id or content_hash)")
        last[task, line["worker"]] = line["answer"]
    classes = sorted(set(last.values()))
    if len(classes) < 2:
        raise _FileError(f"{path}: {len(classes)} different answers; nothing can be told from them")
    return numbered([task for task, _ in last], [worker for _, worker in last], list(last.values()), classes)


def _lines(path: Path, columns: Sequence[str]) -> Iterable[tuple[str, dict[str, str]]]:
    """Yield place and cells of each line of a CSV file that has some columns, all of them filled."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        absent = [name for name in columns if name not in (reader.fieldnames or ())]
        if absent:
            raise _FileError(f"{path}: there is no column {absent[0]!r}; it needs {', '.join(columns)}")
        for line in reader:
            cells = {name: (value or "").strip() for name, value in line.items() if isinstance(name, str)}
            empty = [name for name in columns if not cells[name]]
            if empty:
                raise _FileError(f"{path}, line {reader.line_num}: {empty[0]} is empty")
            yield f"{path}, line {reader.line_num}", cells


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _FileError(f"{where}: likelihood is {text!r}, which is no number")
    return value


def _is_same(answer: str, where: str) -> bool:
    said = answer.casefold()
    if said not in TRUE | FALSE:
        raise _FileError(f"{where}: the answer is {answer!r}; it must be same or different (or yes, no)")
    return said in TRUE


def _write(path: Path | None, lines: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    names = list(lines[0]) if lines else list(columns)

    def write(out: Any) -> None:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(line[name]) for name in names] for line in lines)

    if path is None:
        write(sys.stdout)
        return
    with path.open("w", encoding="utf-8", newline="") as out:
        write(out)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return {None: "", True: "yes", False: "no"}.get(value, value) if value is None or isinstance(value, bool) else value
