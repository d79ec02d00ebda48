"""Which model a file of ``language_models/`` means: its version, and the folder of one that is trained on the pool.

Belongs here: names and places, for every table that a model reads. Does not belong here: training it
(``language_models.proxy``).
"""

from pathlib import Path

from datasel_assets.models.proxy_folder import training_digest
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
