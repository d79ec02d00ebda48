"""Releases: a selected subset as a folder that a trainer, a reviewer and the Hugging Face hub can use at once.

Belongs here: file formats, the dataset card, trainer configs, the manifest, and publishing the folder whole.
Does not belong here: which rows were selected and why (``recipes``), nor how the tables lie (``storage.lake``).
"""

from datasel_assets.storage.release.data_files import PART_OF_CONVERSATION
from datasel_assets.storage.release.folder import (
    Release,
    ReleaseDamagedError,
    latest_release,
    list_releases,
    read_manifest,
)
from datasel_assets.storage.release.read import release_rows
from datasel_assets.storage.release.write import write_release

__all__ = [
    "PART_OF_CONVERSATION",
    "Release",
    "ReleaseDamagedError",
    "latest_release",
    "list_releases",
    "read_manifest",
    "release_rows",
    "write_release",
]
