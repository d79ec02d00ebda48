"""Conversations: schemas, identity, tables, exact duplicates. Pure functions over records and frames; no files."""

from datasel_assets.corpus.conversation import Conversation, RowError
from datasel_assets.corpus.detect import Detection, FormatError, detect_format
from datasel_assets.corpus.duplicates import DUPLICATES_SCHEMA, exact_duplicates
from datasel_assets.corpus.formats import FORMATS
from datasel_assets.corpus.identity import content_hash, row_id
from datasel_assets.corpus.ingest import Ingest, IngestBatch, IngestSummary, ingest
from datasel_assets.corpus.tables import CORPUS_SCHEMA, QUARANTINE_SCHEMA

__all__ = [
    "CORPUS_SCHEMA",
    "DUPLICATES_SCHEMA",
    "FORMATS",
    "QUARANTINE_SCHEMA",
    "Conversation",
    "Detection",
    "FormatError",
    "Ingest",
    "IngestBatch",
    "IngestSummary",
    "RowError",
    "content_hash",
    "detect_format",
    "exact_duplicates",
    "ingest",
    "row_id",
]
