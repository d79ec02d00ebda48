"""The Hugging Face dataset card of a release. Belongs here: its front matter and words. Not: facts about the rows.

Names, licences and descriptions come from registry files and are foreign text: front matter goes through a YAML
writer, everything else through ``markdown.escape``.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import yaml

from datasel_assets.storage.release.licences import UNKNOWN, hub_metadata, is_non_commercial, normalised
from datasel_assets.storage.release.markdown import escape, fenced, one_line
from datasel_assets.storage.release.provenance import SourceShare
from datasel_assets.storage.release.trainers import COMMANDS, TRL_CONFIG
from datasel_assets.storage.release.weights import MOST_COPIES

_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)

_DATA_FILES = {
    "train.jsonl": "one conversation per line, OpenAI messages (`role`, `content`)",
    "train.parquet": "the same conversations with row_id, source, rank, score and token counts",
    "alpaca.json": "instruction, output, system, history; earlier exchanges stand in `history`",
    "sharegpt.jsonl": "`conversations` with `from` and `value`",
    "validation.jsonl": "rows held back for validation, as in `train.jsonl`; other files of them are named alike",
    "validation.parquet": "the same rows as in `train.parquet`",
    "trl.jsonl": "the rows as TRL can be told to read them",
    "axolotl.jsonl": "the rows as axolotl can be told to read them",
    "llamafactory.jsonl": "the rows as LLaMA-Factory can be told to read them",
}

_CONFIGS = {"TRL": "configs/trl_sft.yaml", "axolotl": "configs/axolotl.yaml"}
_CONFIGS |= {"LLaMA-Factory": "configs/llamafactory/train.yaml"}

_READ_BY_NAME = {"trl": "trl.jsonl", "axolotl": "axolotl.jsonl", "sharegpt": "sharegpt.jsonl"}
"""Format or trainer -> its file, for those of which nothing else is said."""


def dataset_card(
    facts: Mapping[str, Any],
    shares: Sequence[SourceShare],
    *,
    has_report: bool,
    configs: Collection[str] = tuple(_CONFIGS.values()),
    trl: Mapping[str, str] | None = None,
) -> str:
    """Return ``README.md`` with the metadata that the hub reads.

    Args:
        facts: the manifest without ``files``.
        shares: the sources of the rows.
        has_report: whether ``report.html`` lies beside the card.
        configs: the config files of the release.
        trl: split -> file that TRL finds by the metadata, from ``trainers.trl_files``.
    """
    recipe, version, rows, tokens = (facts[key] for key in ("recipe", "version", "rows", "tokens"))
    of_pool = f" of the {facts['pool_rows']:,} in its pool" if facts["pool_rows"] is not None else ""
    counted = f" They hold {tokens['total']:,} tokens." if tokens["total"] is not None else ""
    doc = escape(facts["spec"].get("doc") or "", 2000)
    paragraphs = [
        "---\n" + _front_matter(recipe, version, shares, rows, "validation" in facts, trl) + "---",
        f"# {recipe} {version}",
        f"{_rows(rows)}{of_pool}, one conversation each, chosen by the recipe `{recipe}`.{counted}{_held(facts)}",
        *([f"What the recipe says of itself: {doc}"] if doc else []),
        "## Use",
        _use(configs),
        "## Files",
        _files(facts["data_files"], has_report),
        "## How the rows were chosen",
        "By this recipe; rows stand in the order in which it chose them (`rank`).",
        fenced(yaml.safe_dump(facts["spec"], sort_keys=False, allow_unicode=True, width=100), "yaml"),
        "## Sources",
        _source_table(shares, rows),
        "## Licences",
        _licences(shares),
        "## Caveats",
        _caveats(shares, facts),
        "## Make it again",
        fenced(facts["reproduce"], "sh"),
        "`manifest.json` holds the hashes of all files, the versions of all inputs and packages, and the seeds.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def licence_list(shares: Sequence[SourceShare]) -> str:
    """Return ``LICENSE.md``: the terms that hold for the rows of each source."""
    lines = [f"- {escape(share.name)}: {escape(share.licence)}" for share in shares]
    return (
        "# Licences of the rows\n\nEach row keeps the licence of its source (column `source` of `train.parquet`):\n\n"
        + "\n".join(lines)
        + "\n"
    )


def size_category(rows: int) -> str:
    """Return the size class of the hub.

    >>> size_category(999), size_category(1000)
    ('n<1K', '1K<n<10K')
    """
    return next((name for bound, name in _SIZES if rows < bound), "n>1B")


def _held(facts: Mapping[str, Any]) -> str:
    held = facts.get("validation")
    return f" {_rows(held['rows'])} of them, of every source its share, are held back for validation." if held else ""


def _front_matter(
    recipe: str,
    version: str,
    shares: Sequence[SourceShare],
    rows: int,
    held: bool,
    trl: Mapping[str, str] | None,
) -> str:
    splits = {"train": "train.parquet", **({"validation": "validation.parquet"} if held else {})}
    configs = {"default": splits, **({TRL_CONFIG: trl} if trl else {})}
    metadata: dict[str, Any] = {
        **hub_metadata(share.licence for share in shares),
        "license_details": "; ".join(f"{one_line(s.name)}: {one_line(s.licence, 100)}" for s in shares),
        "task_categories": ["text-generation"],
        "size_categories": [size_category(rows)],
        "tags": ["instruction-tuning", "data-selection", "datasel"],
        "pretty_name": f"{recipe} {version}",
        "configs": [
            {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in files.items()]}
            for name, files in configs.items()
        ],
    }
    return yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=100_000)


def _use(configs: Collection[str]) -> str:
    lines = [f"- {name}: `{command}`" for name, command in COMMANDS.items() if _CONFIGS[name] in configs]
    return (
        fenced('from datasets import load_dataset\nrows = load_dataset("<this folder>", split="train")', "python")
        + "\n\nReady configs, to be run inside this folder (they name a small model: put yours in its place):\n\n"
        + "\n".join(lines)
    )


def _files(data_files: Collection[str], has_report: bool) -> str:
    lines = [f"- `{name}`: {text}" for name, text in _DATA_FILES.items() if name in data_files]
    lines += ["- `report.html`: the selection in figures"] if has_report else []
    return "\n".join([*lines, "- `configs/`: trainer configs", "- `manifest.json`: where all this comes from"])


def _source_table(shares: Sequence[SourceShare], rows: int) -> str:
    head = "| source | rows | share | tokens | response tokens | licence | read from | about |\n"
    head += "| --- | ---: | ---: | ---: | ---: | --- | --- | --- |\n"
    return head + "\n".join(
        f"| {escape(s.name)} | {s.rows:,} | {s.rows / rows:.1%} | {_count(s.tokens)} | {_count(s.response_tokens)} "
        f"| {escape(s.licence, 100)} | {escape(s.uri, 200)} | {escape(s.doc, 300)} |"
        for s in shares
    )


def _licences(shares: Sequence[SourceShare]) -> str:
    lines = []
    if barred := [s for s in shares if is_non_commercial(s.licence)]:
        names = ", ".join(f"{escape(s.name)} ({escape(s.licence, 100)})" for s in barred)
        lines.append(f"**Not for commercial use:** {_rows(sum(s.rows for s in barred))} from {names}.")
    if unknown := [s for s in shares if normalised(s.licence) == UNKNOWN]:
        names = ", ".join(escape(s.name) for s in unknown)
        lines.append(f"**Licence unknown:** {_rows(sum(s.rows for s in unknown))} from {names}; ask before use.")
    lines.append("Each row keeps the licence of its source; the table above says which.")
    return "\n\n".join(lines)


def _caveats(shares: Sequence[SourceShare], facts: Mapping[str, Any]) -> str:
    tokens, skipped = facts["tokens"], facts["not_expressible"]
    lost = {name: sum(map(len, reasons.values())) for name, reasons in skipped.items()}
    lines = ["Text is as its source wrote it (Unicode NFC): errors, opinions and personal data of a source remain."]
    if tokens["longest"] is not None:
        lines.append(
            "Tokens are counted with the tokenizer of the selection's encoder; the longest row has "
            f"{tokens['longest']:,}. A trainer's own tokenizer counts differently and truncates at the length in "
            "its config."
        )
    if tokens["rows_without_count"]:
        lines.append(f"{_rows(tokens['rows_without_count'])} without a token count.")
    lines.append("Tool calls stand as JSON text in the content of assistant messages.")
    lines += _beside_text(facts)
    lines += _about_weights(facts.get("weights"))
    if (count := lost.get("llamafactory")) and "llamafactory.jsonl" in facts["data_files"]:
        lines.append(f"`llamafactory.jsonl` leaves out {_rows(count)}: {'; '.join(skipped['llamafactory'])}.")
    elif count:
        lines.append(
            f"LLaMA-Factory skips {_rows(count)}: turns that do not alternate, see `not_expressible` in the manifest. "
            "TRL and axolotl read all rows."
        )
    for name, file in _READ_BY_NAME.items():
        if count := lost.get(name):
            lines.append(f"`{file}` leaves out {_rows(count)}: {'; '.join(skipped[name])}.")
    if count := lost.get("alpaca"):
        lines.append(f"`alpaca.json` leaves out {_rows(count)} that the format cannot hold; the manifest lists them.")
    if len(shares) > 1:
        lines.append("Sources are mixed in the proportions of the table.")
    return "\n".join(f"- {line}" for line in lines)


def _beside_text(facts: Mapping[str, Any]) -> list[str]:
    """Return what to know of what rows have beside the text of their messages."""
    having, lines = facts.get("rows_with", {}), []
    if count := having.get("tools"):
        lines.append(
            f"{_rows(count)} with tool definitions: column `tools`, a list as JSON text (`[]` where there is none; "
            "mappings in `axolotl.jsonl`). The configs name it."
        )
    if count := having.get("untrained"):
        lines.append(
            f"{_rows(count)} with answers that are not to be trained on: `train` of each message in `train.jsonl`, "
            "which axolotl reads, and their indices in `untrained` of `train.parquet`. `trl.jsonl` and "
            "`llamafactory.jsonl` hold a conversation once for each answer that is trained on, up to that answer. "
            "Whoever reads `messages` alone trains on all answers."
        )
    if count := having.get("images"):
        lines.append(
            f"{_rows(count)} with pictures: column `images`, one for each `<image>` in the text. LLaMA-Factory needs a "
            "model that sees them in place of the one in its config."
        )
    if fields := facts.get("only_in_extra"):
        told = ", ".join(f"{escape(name, 60)} ({_rows(count)})" for name, count in list(fields.items())[:20])
        lines.append(f"Fields of messages that stand in `extra` of `train.parquet` alone: {told}.")
    return lines


def _about_weights(weights: Mapping[str, Any] | None) -> list[str]:
    """Return what to know of the weights of the rows; nothing where all weigh the same."""
    if weights is None:
        return []
    size = (
        f"The recipe gives its {_rows(weights['selected_rows'])} different weights; together they say as much about a "
        f"mean as {weights['effective_rows']:,.1f} rows of equal weight (effective sample size)."
    )
    if weights["carried"] == "repeat":
        cut = f" {_rows(weights['rows_cut'])} would need more." if weights["rows_cut"] else ""
        without = weights["rows_without_copy"]
        return [
            f"{size} Rows stand here as often as they weigh, rounded at random by row id to whole copies, at most "
            f"{MOST_COPIES}: {_rows(without)} of little weight {'has' if without == 1 else 'have'} none.{cut}"
        ]
    if weights["carried"] == "drop":
        return [f"{size} They were left out on request, so a plain mean over these rows is not that of the pool."]
    return [
        f"{size} Column `weight` (mean 1) of `train.jsonl` and `train.parquet` has to multiply the loss of a row. The "
        "trainers of the configs do not read it and train on rows that stand for the pool with a bias: write `release: "
        "{weights: repeat}` in the recipe for copies in place of weights."
    ]


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"
