"""``datasel crowd``: what asking people would cost, how long it would take, how right it would be; what answers say.

Belongs here: ``crowd simulate``, its arguments and the printed table. Does not: the simulation (``crowd.simulate``),
what files of answers say (``crowd_operators``).
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasel_assets.cli.crowd_operators import METHODS, add_operators, run_operator
from datasel_assets.settings import Settings

if TYPE_CHECKING:
    from datasel_assets.crowd.simulate import Outcome, Policy

HELP = "Simulate asking people before anybody is paid, or tell what files of their answers say."
SEEDS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the simulation, and the operators over files of answers."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    add_operators(commands)
    parser = commands.add_parser("simulate", help="a made-up crowd answers made-up tasks", description=HELP)
    parser.add_argument("name", nargs="?", help="a file in labels/ whose policy, price and number of rows are taken")
    add = parser.add_argument
    add("--rows", type=_positive, help="rows to be asked about (default: of the file, else 300)")
    add("--classes", type=_at_least_two, help="answers to choose from (default: of the file, else 2)")
    add("--per-row", type=_positive, help="answers to a row at most (default: of the file, else 3)")
    add("--stop", type=_share, metavar="POSTERIOR", help="ask no more about a row whose answer is that sure")
    add("--order", choices=["fewest", "accuracy", "entropy"], default="entropy", help="which row a worker gets")
    add(
        "--golden",
        type=_share,
        metavar="SHARE",
        help="share of rows with a known answer (default: of the file, else 0)",
    )
    add("--replicate", type=_share, metavar="QUANTILE", help="give rows out again that are out for longer than this")
    add("--truth", choices=METHODS, help="what makes one answer of several (default: of the file, else dawid_skene)")
    add("--price", type=_not_negative, help="of an answer (default: of the file, else 0)")
    add(
        "--right", type=_positive_number, nargs=2, default=(8.0, 3.0), metavar=("A", "B"), help="Beta of their accuracy"
    )
    add("--per-hour", type=_positive_number, default=30.0, help="workers that come in an hour (default: %(default)s)")
    add("--stay", type=_positive_number, default=40.0, help="rows that one does on average (default: %(default)s)")
    add("--seconds", type=_positive_number, default=20.0, help="median time for a row (default: %(default)s)")
    add("--seeds", type=_positive, default=SEEDS, help="crowds that are simulated (default: %(default)s)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the policy beside simpler ones, or what answers say; return 2 where a file is absent or unusable."""
    if arguments.what != "simulate":
        return run_operator(arguments)
    from datasel_assets.crowd.simulate import Crowd, simulate
    from datasel_assets.registry.load import load_registry

    registry = load_registry(settings.data)
    if arguments.name is not None and arguments.name not in registry.labels:
        there = (
            f"there is no file labels/{arguments.name}.yaml; there are: {', '.join(sorted(registry.labels)) or 'none'}"
        )
        print(registry.errors.get(f"labels/{arguments.name}.yaml", there), file=sys.stderr)
        return 2
    rows, classes, policy = _policy(arguments, registry.labels)
    crowd = Crowd(tuple(arguments.right), arguments.per_hour, max(arguments.stay, 1.0), arguments.seconds)
    mean = crowd.right[0] / sum(crowd.right)
    print(f"{rows} rows, {classes} answers to choose from, workers right {mean:.0%} of the time on average")
    print(f"mean over {arguments.seeds} made-up crowds, and the range of nine tenths of them\n")
    print(f"{'policy':34} {'answers':>8} {'cost':>16} {'hours':>16} {'accuracy':>19}")
    for label, tried in _beside(policy).items():
        found = [simulate(tried, crowd, rows, classes, seed) for seed in range(arguments.seeds)]
        print(f"{label:34} {_line(found)}")
    return 0


def _policy(arguments: argparse.Namespace, labels: Mapping[str, Any]) -> "tuple[int, int, Policy]":
    """Return rows, classes and policy: what is said, else what the file of labels says, else a default."""
    from datasel_assets.crowd.simulate import Policy

    spec = labels.get(arguments.name)
    certainty, most = spec.enough if spec else (None, 3)
    told = {
        "rows": spec.ask.rows if spec else None,
        "classes": len(spec.classes) if spec else None,
        "golden": spec.golden.rate if spec and spec.golden else None,
        "truth": spec.truth if spec else None,
        "price": spec.price if spec else None,
    }

    def chosen(key: str, default: Any) -> Any:
        said = getattr(arguments, key)
        return next((value for value in (said, told[key]) if value is not None), default)

    policy = Policy(
        per_task=arguments.per_row or most,
        certainty=arguments.stop or certainty,
        order=arguments.order,
        golden_rate=chosen("golden", 0.0),
        replicate_after=arguments.replicate,
        truth=chosen("truth", "dawid_skene"),
        price=chosen("price", 0.0),
    )
    return chosen("rows", 300), chosen("classes", 2), policy


def _beside(policy: "Policy") -> "dict[str, Policy]":
    """Return the policy and what it has to beat: one answer a row, and all answers a row with a plain vote."""
    from dataclasses import replace

    plain = replace(policy, certainty=None, order="fewest", golden_rate=0.0, replicate_after=None, truth="majority")
    return {
        "one answer a row": replace(plain, per_task=1),
        f"{policy.per_task} answers a row, majority": plain,
        "this policy": policy,
    }


def _line(found: "Sequence[Outcome]") -> str:
    import numpy as np

    def told(figure: str, form: str) -> str:
        values = np.array([getattr(one, figure) for one in found], np.float64)
        low, high = np.quantile(values, [0.05, 0.95])
        return f"{values.mean():{form}} ({low:{form}}-{high:{form}})"

    paid = np.mean([one.paid for one in found])
    return f"{paid:>8.0f} {told('cost', '.2f'):>16} {told('hours', '.1f'):>16} {told('accuracy', '.3f'):>19}"


def _checked(convert: Any, test: Any, words: str) -> Any:
    def read(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not test(value):
            raise argparse.ArgumentTypeError(f"{text!r} must be {words}")
        return value

    return read


_positive = _checked(int, lambda value: value >= 1, "a whole number, 1 or more")
_at_least_two = _checked(int, lambda value: 2 <= value <= 9, "a whole number, 2 to 9")
_share = _checked(float, lambda value: 0 < value <= 1, "above 0 and at most 1")
_not_negative = _checked(float, lambda value: 0 <= value < 1e9, "0 or more")
_positive_number = _checked(float, lambda value: 0 < value < 1e9, "above 0")
