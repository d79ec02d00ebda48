"""What a release tells about the sources of its rows. Belongs here: the facts, fit to be published. Not: layout."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import polars as pl

from datasel_assets.storage.release.licences import UNKNOWN


@dataclass(frozen=True)
class SourceShare:
    """How much of a release comes from one source, and under which terms.

    Attributes:
        tokens: over all messages; None when no row was counted.
        response_tokens: over all assistant messages.
        licence: as the registry file writes it, or ``"unknown"``.
        uri: where the source was read from, without credentials or folders of this machine.
    """

    name: str
    rows: int
    tokens: int | None
    response_tokens: int | None
    licence: str
    uri: str
    doc: str


def source_shares(rows: pl.DataFrame, sources: Mapping[str, Mapping[str, Any]]) -> list[SourceShare]:
    """Return one entry per source of ``rows``, largest first, ties by name.

    Args:
        rows: columns source, n_tokens, n_response_tokens.
        sources: name -> ``licence``, ``uri`` (one, a list, or joined by commas), ``doc``; what is missing reads as
            unknown.
    """
    counts = (
        rows.group_by("source")
        .agg(pl.len().alias("rows"), *(_total(column) for column in ("n_tokens", "n_response_tokens")))
        .sort(["rows", "source"], descending=[True, False])
    )
    return [
        SourceShare(
            row["source"],
            row["rows"],
            row["n_tokens"],
            row["n_response_tokens"],
            (sources.get(row["source"], {}).get("licence") or UNKNOWN).strip(),
            public_uris(sources.get(row["source"], {}).get("uri") or ""),
            (sources.get(row["source"], {}).get("doc") or "").strip(),
        )
        for row in counts.iter_rows(named=True)
    ]


def public_uris(uris: str | Sequence[str]) -> str:
    """Return several uris on one line, each made public (:func:`public_uri`)."""
    return ", ".join(public_uri(uri) for uri in (uris.split(", ") if isinstance(uris, str) else uris))


def public_uri(uri: str) -> str:
    """Return ``uri`` without what must not leave this machine: user names, passwords, signed queries, home folders.

    >>> public_uri("https://me:secret@host/data.json?token=abc#part")
    'https://host/data.json'
    >>> public_uri("/home/me/data.json"), public_uri("docstrings:?packages=json")
    ('data.json', 'docstrings:?packages=json')
    """
    if re.match(r"^[A-Za-z]:[\\/]|^\\\\", uri):
        return re.split(r"[\\/]", uri)[-1]
    if uri.startswith(("/", "~", "file:")):
        return PurePosixPath(uri).name
    if "://" not in uri:
        return uri
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _total(column: str) -> pl.Expr:
    """Sum of a nullable column, null (and not 0) where nothing was counted."""
    return pl.when(pl.col(column).count() > 0).then(pl.col(column).sum().cast(pl.Int64)).alias(column)
