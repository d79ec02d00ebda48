"""What the files of a new user hold: schema, counts, problems, size, and what working on them will take.

Belongs here: looking at files before there is a pool. Does not: what ``init`` writes (``init``), reading rows
(``storage.readers``), making rows of records (``corpus.ingest``).
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasel_assets.corpus.ingest import IngestSummary

ENCODED_CHARS = 1_100
"""Of a row that the default encoder reads: 256 tokens."""
ENCODED_PER_SECOND = 60_000
"""Characters that one core encodes in a second: 296 rows of alpaca on two cores (docs/benchmarks.md)."""
READ_PER_SECOND = 20_000_000
"""Characters whose rows one core ingests and scores by words in a second, roughly."""
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")


@dataclass(frozen=True)
class FirstLook:
    """What a source of local files holds.

    Attributes:
        rows: records that became conversations.
        refused: records that did not.
        copies: rows that repeat another one word for word.
        chars: characters of all rows.
        encoded: characters that an encoder of ``ENCODED_CHARS`` reads of them.
        size: bytes on the disk.
        said: what was found, a sentence each.
        licence: a file beside them that says under which licence they are; None where there is none.
        examples: rows that the pieces of text name, as ``{"prompt", "response"}`` or ``{"messages"}``, by piece.
    """

    rows: int
    refused: int
    copies: int
    chars: int
    encoded: int
    size: int
    said: tuple[str, ...]
    licence: Path | None
    examples: dict[str, dict]


def look(uri: str, name: str, pieces: Sequence[str] = ()) -> FirstLook:
    """Read local files once.

    Args:
        uri: absolute path or glob.
        name: of the source.
        pieces: of texts; the first row that holds one stands for it.

    Raises:
        ValueError: they cannot be read, or their columns fit no schema.
    """
    from datasel_assets.corpus.ingest import ingest
    from datasel_assets.specs.source import SourceSpec
    from datasel_assets.storage.readers import read_rows, snapshot

    spec = SourceSpec.model_validate({"uri": uri})
    hashes: set[str] = set()
    rows = chars = encoded = 0
    examples: dict[str, dict] = {}
    wanted = {piece: " ".join(piece.lower().split()) for piece in pieces}
    with TemporaryDirectory(prefix="datasel-init-") as folder:
        found = snapshot(spec, name, Path(folder), Path(folder) / "cache")
        read = ingest(read_rows(found, spec), source=name)
        for batch in read:
            table = batch.corpus
            rows += table.num_rows
            hashes.update(table.column("content_hash").to_pylist())
            for n in table.column("n_chars").to_pylist():
                chars += n
                encoded += min(n, ENCODED_CHARS)
            for piece, row in _named(table, {k: v for k, v in wanted.items() if k not in examples}):
                examples.setdefault(piece, row)
    return FirstLook(
        rows,
        read.summary.quarantined,
        rows - len(hashes),
        chars,
        encoded,
        found.bytes,
        tuple(_said(read.summary, rows - len(hashes), found.bytes, spec.max_quarantined_share)),
        _licence(Path(uri).parent),
        examples,
    )


def _named(table, wanted: dict[str, str]) -> Iterator[tuple[str, dict]]:
    """Give the rows of a batch that pieces of text name."""
    if not wanted:
        return
    for row in table.select(["messages", "prompt", "response"]).to_pylist():
        text = " ".join(f"{row['prompt']} {row['response']}".lower().split())
        for piece, plain in wanted.items():
            if plain in text:
                turns = row["messages"]
                plainly = [turn["role"] for turn in turns] == ["user", "assistant"]
                pair = {"prompt": row["prompt"], "response": row["response"]}
                yield piece, pair if plainly else {"messages": turns}


def _said(summary: "IngestSummary", copies: int, size: int, allowed: float) -> Iterator[str]:
    schema = summary.detection.evidence if summary.detection else "no row can be read"
    yield f"{summary.kept:,} rows in {size / 1e6:,.1f} MB; {schema}"
    if summary.quarantined:
        reasons = ", ".join(f"{reason} ({n:,})" for reason, n in summary.top_reasons(3))
        records = "record" if summary.quarantined == 1 else "records"
        yield f"{summary.quarantined:,} {records} cannot be used: {reasons}"
    if summary.quarantined_share > allowed:
        yield f"more of them than max_quarantined_share: {allowed:g} lets pass, so the run will stop and say so"
    if copies:
        yield f"{copies:,} of the rows are exact copies"
    if summary.known_unmapped:
        columns = ", ".join(f"{name} ({n:,} rows)" for name, n in summary.known_unmapped.items())
        yield f"no conversation was given {columns}; say under 'columns' where they belong"


def _licence(folder: Path) -> Path | None:
    return next((path for pattern in LICENCES for path in sorted(folder.glob(pattern)) if path.is_file()), None)


def cost(looks: Sequence[FirstLook], *, vectors: bool) -> str:
    """Say in words how long it takes on this machine until a recipe is released.

    Args:
        looks: at all sources.
        vectors: whether the recipe needs them; they take by far the longest.
    """
    cores = os.cpu_count() or 1
    seconds = sum(look.chars for look in looks) / READ_PER_SECOND / cores
    if vectors:
        seconds += sum(look.encoded for look in looks) / ENCODED_PER_SECOND / cores
    return duration(seconds)


def duration(seconds: float) -> str:
    """Return a length of time in words, rounded as a guess should be.

    >>> duration(20), duration(400), duration(9000)
    ('less than a minute', 'about 7 minutes', 'about 2.5 hours')
    """
    if seconds < 60:
        return "less than a minute"
    return f"about {round(seconds / 60)} minutes" if seconds < 5400 else f"about {seconds / 3600:.1f} hours"
