"""Which model a file of ``language_models/`` means, and its checkpoints: versions, and folders of those trained here.

Belongs here: names and places, for every table that a model reads. Does not belong here: training it
(``language_models.proxy``).
"""

from pathlib import Path

from datasel_assets.models.proxy_folder import checkpoint_rates, kept_checkpoints, read_manifest, training_digest
from datasel_assets.models.shape import model_shape
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.storage.lake import Key, StaleTableError
from datasel_assets.tables.table import Kind
from datasel_assets.tables.warehouse import Warehouse

PROXY_LM = Kind("proxy_lm", version="3", state=("models/{name}",))


def proxy_key(name: str) -> Key:
    """Return the key of the table of a proxy."""
    return (PROXY_LM.name, name)


def model_folder(warehouse: Warehouse, name: str) -> Path:
    """Return where the proxy lies, once it is trained."""
    return warehouse.settings.warehouse / "models" / name


def trained_folder(warehouse: Warehouse, name: str) -> Path:
    """Return the folder of the proxy that its table tells of.

    Raises:
        MissingTableError: it was never trained.
        StaleTableError: the folder holds another training.
    """
    folder = model_folder(warehouse, name)
    if warehouse.lake.require(proxy_key(name)).inputs["folder"] != training_digest(folder):
        raise StaleTableError(
            f"{folder} holds another training than its table tells of: materialise {'/'.join(proxy_key(name))} again"
        )
    return folder


def model_version(warehouse: Warehouse, name: str, spec: LanguageModelSpec) -> str:
    """Return what tells the weights of a model from others, from footers alone."""
    if spec.is_local:
        return warehouse.lake.version(proxy_key(name))
    return model_shape(spec.causal.model, spec.causal.revision, warehouse.settings.data).digest


def causal_spec(warehouse: Warehouse, name: str, spec: LanguageModelSpec) -> CausalSpec:
    """Return how rows are read, by the folder of the model where it is trained here."""
    if not spec.is_local:
        return spec.causal
    return spec.causal.model_copy(update={"model": str(trained_folder(warehouse, name))})


def model_tables(name: str, spec: LanguageModelSpec) -> list[Key]:
    """Return the keys of the tables that a model is made by: that of its training, where it is trained here."""
    return [proxy_key(name)] if spec.is_local else []


def checkpoint_versions(warehouse: Warehouse, spec: LanguageModelSpec, kept: int) -> list[str]:
    """Return what tells each checkpoint from others; the ``kept`` ones of the proxy follow from its training."""
    if isinstance(spec.checkpoints, int):
        return [f"{k} of {kept}" for k in range(kept)]
    return [
        model_shape(found.model or spec.causal.model, found.revision, warehouse.settings.data).digest
        for found in spec.checkpoints
    ]


def checkpoint_specs(warehouse: Warehouse, name: str, spec: LanguageModelSpec, kept: int) -> list[CausalSpec]:
    """Return how rows are read under each checkpoint, in the order of training; ``kept``: how many the proxy keeps.

    Raises:
        StaleTableError: the proxy was trained without as many checkpoints.
    """
    if isinstance(spec.checkpoints, tuple):
        return [
            spec.causal.model_copy(update={"model": found.model or spec.causal.model, "revision": found.revision})
            for found in spec.checkpoints
        ]
    if not kept:
        return []
    folders = kept_checkpoints(trained_folder(warehouse, name))
    if len(folders) != kept:
        raise StaleTableError(
            f"{kept} checkpoints of {name} are asked for, but its training kept {len(folders)}: "
            f"materialise {'/'.join(proxy_key(name))} again"
        )
    return [spec.causal.model_copy(update={"model": str(folder)}) for folder in folders]


def checkpoint_weights(warehouse: Warehouse, name: str, spec: LanguageModelSpec, kept: int) -> list[float]:
    """Return the learning rate of each checkpoint, in the order of training; of a model of the hub as its file says.

    Raises:
        ValueError: the file of a model that is not trained here does not say them.
    """
    if isinstance(spec.checkpoints, tuple):
        rates = [found.learning_rate for found in spec.checkpoints]
        if None in rates:
            raise ValueError(f"checkpoints of language_models/{name}.yaml have no learning_rate")
        return [rate for rate in rates if rate is not None]
    manifest = read_manifest(trained_folder(warehouse, name))
    assert manifest, "a trained model says how it was trained"
    return checkpoint_rates(manifest, kept)
