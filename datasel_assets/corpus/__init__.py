"""The rows of a pool: their format, identity, tables and duplicates. Pure functions over records and frames."""

from datasel_assets.corpus.detect import Detection, FormatError, detect_format
from datasel_assets.corpus.duplicates import DUPLICATES_SCHEMA, exact_duplicates
from datasel_assets.corpus.identity import content_hash, row_id
from datasel_assets.corpus.ingest import Ingest, IngestBatch, IngestSummary, ingest
from datasel_assets.corpus.tables import CORPUS_SCHEMA, QUARANTINE_SCHEMA

__all__ = [
    "CORPUS_SCHEMA",
    "DUPLICATES_SCHEMA",
    "QUARANTINE_SCHEMA",
    "Detection",
    "FormatError",
    "Ingest",
    "IngestBatch",
    "IngestSummary",
    "content_hash",
    "detect_format",
    "exact_duplicates",
    "ingest",
    "row_id",
]
