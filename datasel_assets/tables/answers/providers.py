"""Whoever is asked, by what a file says: what of it decides an answer, and itself, ready to be asked.

Belongs here: models behind addresses and of this process, replies that are there, for files of ``answers/`` and of
``extractions/``. Does not: asking (``models``), people (``tables.labels``).
"""

from typing import Any

from datasel_assets.models.providers import Provider
from datasel_assets.models.shape import model_shape
from datasel_assets.specs.answers import AskedPeopleSpec, EndpointSpec, LocalSpec, RewardSpec, StoredSpec
from datasel_assets.tables.answers.stored import Stored
from datasel_assets.tables.trained_models import causal_spec, model_version
from datasel_assets.tables.warehouse import Warehouse

ProviderSpec = EndpointSpec | LocalSpec | RewardSpec | StoredSpec | AskedPeopleSpec


def decides(spec: ProviderSpec, warehouse: Warehouse) -> dict[str, Any]:
    """Return what of a provider decides an answer, for the keys of kept replies."""
    if isinstance(spec, EndpointSpec):
        return spec.decides()
    if isinstance(spec, RewardSpec):
        shape = model_shape(spec.reward, spec.revision, warehouse.settings.data)
        return {"model": shape.digest, "precision": spec.precision}
    if isinstance(spec, StoredSpec):
        return {"model": spec.model, "stored": Stored(spec, warehouse).version}
    assert isinstance(spec, LocalSpec), "files that people answer are questions of labels/"
    model = warehouse.registry.language_models[spec.local]
    return {"model": model_version(warehouse, spec.local, model), "precision": model.causal.precision}


def provider(spec: ProviderSpec, warehouse: Warehouse) -> Provider:
    """Return who is asked; loads the model where it is one of this process."""
    settings = warehouse.settings
    if isinstance(spec, EndpointSpec):
        from datasel_assets.models.endpoint import Endpoint

        return Endpoint(spec)
    if isinstance(spec, RewardSpec):
        from datasel_assets.models.reward_model import RewardModel

        return RewardModel(spec, settings.device, base=settings.data)
    if isinstance(spec, StoredSpec):
        return Stored(spec, warehouse)
    assert isinstance(spec, LocalSpec), "files that people answer are questions of labels/"
    from datasel_assets.models.local_answers import LocalModel

    model = causal_spec(warehouse, spec.local, warehouse.registry.language_models[spec.local])
    return LocalModel(model, settings.device, token_budget=spec.token_budget, base=settings.data)
