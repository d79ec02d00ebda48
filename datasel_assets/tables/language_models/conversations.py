"""The conversations of the whole pool for a model that is trained on it.

Belongs here: reading them from the lake as far as a training goes. Does not belong here: which are read, in which order
(:mod:`datasel_assets.models.proxy_rows`).
"""

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from datasel_assets.models.proxy_rows import Pool
from datasel_assets.storage.gather import gather
from datasel_assets.tables.warehouse import Warehouse


def pool_conversations(warehouse: Warehouse) -> Pool:
    """Return the rows of the active sources: names (with ``source``) in memory, messages in the lake."""
    keys = [("corpus", source) for source in warehouse.active_sources()]
    names = [warehouse.lake.scan(key).select("row_id", "content_hash", "source") for key in keys]
    files = [path for key in keys for path in warehouse.lake.require(key).files]
    return Pool(pl.concat(names).collect(), partial(_messages, files))


def _messages(files: list[Path], places: np.ndarray) -> pl.Series:
    return gather(files, ["messages"], places)["messages"]
