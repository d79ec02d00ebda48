"""Small data folders for tests: real files, real registry YAML, the bundled encoder with few tokens."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ENCODER = {"max_tokens": 24, "layers": [-1], "precision": "float32"}

# A language model that is trained on a small pool in a second.
TINY = {
    "vocabulary": 300,
    "hidden": 16,
    "layers": 1,
    "heads": 2,
    "kv_heads": 1,
    "intermediate": 32,
    "max_tokens": 64,
    "token_budget": 3000,
    "batch_tokens": 512,
    "eval_steps": 2,
}
CAUSAL = {"model": "local:proxy_lm", "max_tokens": 64, "precision": "float32"}

TOPICS = {
    "sums": ("What is {a} plus {b}?", "{a} plus {b} is {c}."),
    "fruit": ("Which basket holds {a} apples?", "Basket number {b} holds the {a} apples, and {c} pears."),
    "code": ("Write Python that prints {a} times {b}.", "print({a} * {b})  # {c} lines"),
}


def rows(topic: str, n: int, start: int = 0) -> list[dict[str, str]]:
    """Return ``n`` distinct alpaca rows about a topic."""
    prompt, response = TOPICS[topic]
    return [
        {
            "instruction": prompt.format(a=i, b=i + 1),
            "output": response.format(a=i, b=i + 1, c=2 * i + 1) + " Indeed." * (i % 7),
        }
        for i in range(start, start + n)
    ]


def write_jsonl(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write a registry file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(value), sort_keys=False), encoding="utf-8")


def add_source(data: Path, name: str, records: Sequence[Mapping[str, Any]], **options: Any) -> None:
    """Write the rows of a source and its registry file."""
    write_jsonl(data / "files" / f"{name}.jsonl", records)
    write_yaml(data / "sources" / f"{name}.yaml", {"uri": f"files/{name}.jsonl", **options})


def small_pool(data: Path, n: int = 40) -> Path:
    """Make a data folder with three sources, a target, two representations (one clustered), a blend, five recipes.

    Its ``defaults.yaml`` names what is meant where a test adds another clustered representation or another blend.
    """
    for topic in TOPICS:
        add_source(data, topic, rows(topic, n), licence="CC0-1.0")
    examples = [{"prompt": f"Please add {i} and {i + 3}.", "response": f"{2 * i + 3}"} for i in range(3)]
    write_yaml(data / "targets" / "adding.yaml", {"doc": "addition", "examples": examples})
    plain = {"encoder": ENCODER, "compress": {"method": "none"}, "neighbours": True}
    write_yaml(data / "representations" / "rds_plus.yaml", plain)
    write_yaml(
        data / "representations" / "white.yaml",
        {"encoder": ENCODER, "compress": {"method": "whiten", "dims": 8}, "clusters": {"k": 4}},
    )
    inputs = [{"score": "text.response_ttr"}, {"score": "neighbours.knn_distance"}]
    write_yaml(data / "scores" / "rich.yaml", {"doc": "varied and rare", "how": "rank_mean", "inputs": inputs})
    write_yaml(data / "defaults.yaml", {"clusters": "white", "quality": "rich", "neighbours": "rds_plus"})
    duplicates = [{"when": "duplicate"}]
    recipes = {
        "random": {"select": {"sampler": "random"}, "budget": {"rows": 12}},
        "longest": {"select": {"sampler": "longest"}, "budget": {"fraction": 0.1}},
        "toward_adding": {
            "drop": duplicates,
            "select": {"sampler": "round_robin", "representation": "white", "target": "adding"},
            "budget": {"rows": 12},
        },
        "spread": {
            "drop": duplicates,
            "select": {"sampler": "kcenter", "representation": "rds_plus"},
            "budget": {"rows": 9},
        },
        "richest": {
            "drop": [{"score": "text.response_words", "below_quantile": 0.1}],
            "select": {"sampler": "topk", "by": "blend.rich"},
            "budget": {"rows": 9},
        },
    }
    for name, recipe in recipes.items():
        write_yaml(data / "recipes" / f"{name}.yaml", {"doc": name, "paper": "baseline", **recipe})
    return data
