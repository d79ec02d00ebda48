"""All token indicators and IFD, beside the two bare forward passes that they need.

Rows are ``alpaca_52k`` conversations (development datasets needed). ``proxy`` is the default proxy language model after
a few steps of training; ``large`` has hidden size 1024, 8 blocks, 32,000 tokens and random weights, which take as long
as trained ones. ``datasel`` writes the text, tokenises, scores the conditioned and the bare context and computes every
indicator that they allow. ``bare passes`` runs ``model(input_ids).logits`` of transformers over the same batches, which
it is given as tensors, and keeps nothing: with ``threads together`` on one batch, with ``threads apart`` on a batch
each, and ``packed`` with our packed layers as well. ``both IFD`` adds the third pass, without the prompt but with the
header. Each runs in a process of its own, warmed up; they take turns and the fastest turn counts. ``ratio`` is the time
relative to the faster of the bare passes that are not packed, ``ratio_packed`` to those that are.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.encode import conversations
from benchmarks.harness import Measured, Row, isolated, measured, report

POOL = "alpaca_52k"
MAX_TOKENS = 512
WARM_UP = 64


def build(kind: str, folder: str) -> dict[str, Any]:
    """Write the model ``proxy`` or ``large`` to ``folder``; both have the tokenizer of the proxy."""
    from datasel_assets.models.proxy_lm import train_proxy_lm
    from datasel_assets.specs.proxy import ProxySpec

    spec = ProxySpec(token_budget=20_000, max_tokens=MAX_TOKENS, eval_steps=1000, held_out_tokens=1000)
    train_proxy_lm(conversations(2000, POOL), spec, Path(folder))
    if kind == "large":
        import torch
        from safetensors.torch import save_file
        from transformers import AutoModelForCausalLM, LlamaConfig

        config = LlamaConfig(
            vocab_size=32_000,
            hidden_size=1024,
            num_hidden_layers=8,
            num_attention_heads=16,
            num_key_value_heads=8,
            intermediate_size=2816,
            max_position_embeddings=MAX_TOKENS,
            architectures=["LlamaForCausalLM"],
            dtype="bfloat16",
        )
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        config.save_pretrained(folder)
        save_file(model.state_dict(), Path(folder, "model.safetensors"), {"format": "pt"})
    return {}


def datasel(n: int, model: str, both: bool) -> dict[str, Any]:
    """Score with this project."""
    from datasel_assets.indicators.tokens import computable
    from datasel_assets.models.causal_lm import CausalLM
    from datasel_assets.specs.causal import CausalSpec

    rows = conversations(n, POOL)
    forms = ("bare", "header") if both else ("bare",)
    with CausalLM(CausalSpec(model=model, max_tokens=MAX_TOKENS), "cpu") as lm:

        def score(part: Sequence[Any]) -> tuple[int, int]:
            contexts = {"conditioned": lm.token_stats(lm.conditioned(part))}
            for form in forms:
                contexts[f"unconditioned_{form}"] = lm.token_stats(lm.unconditioned(part, form))
            columns = {name: found(contexts) for name, found in computable(contexts).items()}
            return int(contexts["conditioned"].count.sum()), len(columns)

        score(rows[:WARM_UP])
        with measured() as cost:
            tokens, columns = score(rows)
    return {**asdict(cost), "response_tokens": tokens, "columns": columns, "dtype": lm.dtype}


def bare(n: int, model: str, packed: bool, together: bool) -> dict[str, Any]:
    """Run the two forward passes with logits over ready batches."""
    from concurrent.futures import ThreadPoolExecutor

    import torch

    from datasel_assets.arrays.token_batches import plan_padded
    from datasel_assets.models.causal_lm import CausalLM
    from datasel_assets.models.causal_loading import load_causal_model
    from datasel_assets.models.forward_hooks import right_pad
    from datasel_assets.models.packed_linear import pack_linears
    from datasel_assets.specs.causal import CausalSpec

    rows = conversations(n, POOL)
    with CausalLM(CausalSpec(model=model, max_tokens=MAX_TOKENS), "cpu") as lm:
        requests = (lm.conditioned(rows), lm.unconditioned(rows, "bare"))
        passes = [lm._tokenizer.score(context.items) for context in requests]
        batches = [
            right_pad([scored.ids[i] for i in batch], lm._tokenizer.pad_id)[0]
            for scored in passes
            for batch in plan_padded(scored.lengths, lm._budget.tokens)
        ]
        whole = load_causal_model(lm.resolved, getattr(torch, lm.dtype), lm.device)
    if packed:
        pack_linears(whole)

    def forward(ids: torch.Tensor) -> None:
        with torch.inference_mode():
            whole(input_ids=ids, use_cache=False).logits  # noqa: B018

    threads = torch.get_num_threads()
    if not together:
        torch.set_num_threads(1)
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        run: Callable[..., Any] = map if together else pool.map
        list(run(forward, batches[:2]))
        with measured() as cost:
            list(run(forward, batches))
    tokens = int(sum(scored.lengths.sum() for scored in passes))
    return {**asdict(cost), "tokens": tokens, "padded": sum(ids.numel() for ids in batches)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="rows for the proxy; the large model takes a twentieth")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["proxy", "large"], choices=["proxy", "large"])
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    rows = []
    for kind in arguments.models:
        n = arguments.n if kind == "proxy" else max(8, arguments.n // 20)
        with tempfile.TemporaryDirectory() as parent:
            model = str(Path(parent, kind))
            isolated("benchmarks.token_scores:build", kind=kind, folder=model)
            runs = {
                "datasel": ("datasel", {"both": False}),
                "datasel, both IFD": ("datasel", {"both": True}),
                "bare passes, threads apart": ("bare", {"packed": False, "together": False}),
                "bare passes, threads together": ("bare", {"packed": False, "together": True}),
                "bare passes, packed": ("bare", {"packed": True, "together": False}),
            }
            best: dict[str, dict[str, Any]] = {}
            for _ in range(arguments.repeats):
                for name, (function, options) in runs.items():
                    result = isolated(f"benchmarks.token_scores:{function}", n=n, model=model, **options)
                    if name not in best or result["wall_s"] < best[name]["wall_s"]:
                        best[name] = result
        floor = min((best[f"bare passes, threads {way}"] for way in ("apart", "together")), key=lambda r: r["wall_s"])
        for name, result in best.items():
            cost = Measured(*(result[key] for key in ("wall_s", "cpu_s", "peak_rss_mb")))
            extra = {
                "model": kind,
                "ratio": result["wall_s"] / floor["wall_s"],
                "ratio_packed": result["wall_s"] / best["bare passes, packed"]["wall_s"],
                "tokens_per_s": floor["tokens"] / result["wall_s"],
                "padding": float(np.round(1 - floor["tokens"] / floor["padded"], 3)),
                "columns": result.get("columns"),
            }
            rows.append(Row(f"{kind}: {name}", n, cost, None, extra))
    report("token_scores", rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    raise SystemExit(main())
