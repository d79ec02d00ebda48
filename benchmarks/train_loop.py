"""A training step that keeps rows apart beside one over packed blocks, on the same rows and the shipped proxy.

Rows are a mixture of four development datasets (``DATASEL_SHARED``). ``packed blocks`` is the loop of the proxy's own
training: rows end to end, cut into blocks of 512 tokens, every token learned. ``rows`` is the loop that knows which
token is whose and returns the loss of every row: ``every token`` learns the prompts too, as the blocks do;
``responses`` what the assistant says, which needs fewer logits; ``and EL2N`` adds that. ``one row a line`` pads each
row to the longest of its step. ``blocks and a pass`` takes the losses of the rows by reading them once more. All take
turns in one process, over steps of as many tokens; the least CPU time of the turns counts. ``objective`` is tokens a
CPU second, prompts included; ``ratio`` is to packed blocks.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gradients import cost_of, mixture
from benchmarks.harness import Row, isolated, measured, report

OPERATION = "train_loop"
STEP_TOKENS = 4096
ROWS = 800
FIRST = "packed blocks"


def build(folder: str) -> dict[str, Any]:
    """Train the shipped proxy for a few steps: a step costs the same whatever the weights."""
    from datasel_assets.models.proxy_lm import train_proxy_lm
    from datasel_assets.specs.proxy import ProxySpec

    train_proxy_lm(mixture(ROWS), ProxySpec(token_budget=20_000, eval_steps=1000, held_out_tokens=1000), Path(folder))
    return {}


def compared(folder: str, steps: int, repeats: int, only: Sequence[str]) -> dict[str, Any]:
    """Return cost and tokens of ``steps`` steps of each loop."""
    from datasel_assets.models.train.row_model import RowModel
    from datasel_assets.models.train.texts import Texts
    from datasel_assets.models.train.training import RowTraining, evaluate
    from datasel_assets.specs.causal import CausalSpec
    from datasel_assets.specs.training import TrainingSpec

    rows = mixture(ROWS)
    how = TrainingSpec(batch_tokens=STEP_TOKENS)
    spec = CausalSpec(model=folder, max_tokens=512, template="chat")

    def whole(texts: Texts) -> Texts:
        def every(text: Any) -> Any:
            at = np.arange(1, len(text.ids))
            return replace(text, positions=at, targets=text.ids[at].astype(np.int64), turns=np.zeros(len(at), np.int32))

        found = [[every(text) for text in own] for own in texts.of_row]
        return replace(texts, of_row=found, tokens=np.array([sum(len(t.positions) for t in own) for own in found]))

    shown: list[Texts] = []

    def by_rows(*, every: bool = False, el2n: bool = False, shared: bool = True) -> RowTraining:
        model = RowModel(spec, how, "cpu")
        model.shared = shared
        if not shown:
            shown.append(model.texts(rows))
        return RowTraining(model, whole(shown[0]) if every else shown[0], 50, el2n=el2n)

    def taken(training: RowTraining) -> Callable[[], int]:
        def work() -> int:
            own = [training._steps[training.done + k][1] for k in range(steps)]
            for _ in range(steps):
                training.step()
            return int(sum(training._texts.lengths[part].sum() for part in own))

        return work

    blocks = packed(folder, rows)
    reader = by_rows()

    def then_read() -> int:
        tokens = blocks(steps)
        texts, left = reader._texts, tokens
        some = []
        for row in range(ROWS):
            if left <= 0:
                break
            some.append(row)
            left -= int(texts.lengths[row])
        part = Texts([texts.of_row[r] for r in some], texts.tokens[some], texts.lengths[some], 0)
        evaluate(reader._model, part)
        return tokens

    ways: dict[str, Callable[[], int]] = {
        FIRST: lambda: blocks(steps),
        "rows, every token": taken(by_rows(every=True)),
        "rows, responses": taken(by_rows()),
        "rows, responses and EL2N": taken(by_rows(el2n=True)),
        "rows, responses, one row a line": taken(by_rows(shared=False)),
        "blocks and a pass": then_read,
    }
    ways = {name: work for name, work in ways.items() if name == FIRST or not only or name in only}
    best: dict[str, dict[str, float]] = {}
    for turn in range(repeats + 1):
        for name, work in ways.items():
            with measured() as cost:
                tokens = work()
            found = {**asdict(cost), "tokens": tokens}
            # The first turn warms up.
            if turn and (name not in best or found["cpu_s"] / tokens < best[name]["cpu_s"] / best[name]["tokens"]):
                best[name] = found
    return best


def packed(folder: str, rows: Sequence[Any]) -> Callable[[int], int]:
    """Return the loop of the proxy's training: steps -> tokens."""
    import torch

    from datasel_assets.models.causal_loading import load_causal_model
    from datasel_assets.models.device import pick_dtype
    from datasel_assets.models.dialogue import DialogueRenderer
    from datasel_assets.models.proxy_rows import DrawnRows, Pool, blocks_of, draw_rows, pool_of
    from datasel_assets.models.proxy_training import Trainer
    from datasel_assets.models.resolve import resolve_model
    from datasel_assets.specs.proxy import ProxySpec

    from transformers import AutoTokenizer  # isort: skip

    spec = ProxySpec(batch_tokens=STEP_TOKENS, bare_share=0)
    cpu = torch.device("cpu")
    model = load_causal_model(resolve_model(folder, None), torch.float32, cpu).requires_grad_(True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pool = Pool.of(pool_of(rows))
    drawn = DrawnRows(pool, draw_rows(pool.names, spec))
    blocks, _ = blocks_of(tokenizer, DialogueRenderer(tokenizer, "chat"), drawn, 2**62, spec)
    trainer = Trainer(model, spec, blocks, blocks[:0], cpu, pick_dtype("auto", cpu))
    done = 0

    def work(steps: int) -> int:
        nonlocal done
        for _ in range(steps):
            trainer.step(done)
            done += 1
        return steps * trainer.step_tokens

    return work


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all loops and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8, help="of each turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], help="compare packed blocks with these alone")
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as parent:
        folder = str(Path(parent, "proxy"))
        isolated("benchmarks.train_loop:build", folder=folder)
        options = {"steps": arguments.steps, "repeats": arguments.repeats, "only": arguments.only}
        found = isolated("benchmarks.train_loop:compared", folder=folder, **options)
    speed = {name: cost["tokens"] / cost["cpu_s"] for name, cost in found.items()}
    rows = []
    for name, cost in found.items():
        only = {key: cost[key] for key in ("wall_s", "cpu_s", "peak_rss_mb")}
        extra = {"ratio": speed[name] / speed[FIRST], "tokens": cost["tokens"]}
        rows.append(Row(name, arguments.steps, cost_of(only), speed[name], extra))
    report(OPERATION, rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
