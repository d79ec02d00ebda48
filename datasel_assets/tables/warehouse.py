"""One data folder, opened: settings, the tables, and the registry files as they are now."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasel_assets.compute import ShardMapper, mapper_of
from datasel_assets.models.shape import ModelShape, model_shape
from datasel_assets.registry.base import RegistryError, load_file
from datasel_assets.registry.load import COMPUTE_FILE, load_registry
from datasel_assets.registry.registry import Registry
from datasel_assets.settings import Settings
from datasel_assets.specs.compute import ComputeSpec
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.storage.lake import Lake


@dataclass(frozen=True)
class Warehouse:
    """One data folder, opened: settings, the tables and the registry files as they are now."""

    settings: Settings

    @cached_property
    def lake(self) -> Lake:
        """Return the tables."""
        return Lake(self.settings.warehouse)

    @cached_property
    def registry(self) -> Registry:
        """Return the registry files, read once per opened warehouse."""
        return load_registry(self.settings.data)

    @cached_property
    def mapper(self) -> ShardMapper:
        """Return what carries out units of work: this process, or a cluster.

        Raises:
            RegistryError: ``compute.yaml`` cannot be used. Work that is meant for a cluster must not begin here.
        """
        spec, message = load_file(self.settings.data / COMPUTE_FILE, ComputeSpec)
        if message:
            raise RegistryError(message)
        return mapper_of(spec)

    def active_sources(self) -> list[str]:
        """Return the sources whose rows are in the pool now, sorted.

        A source counts when its corpus was published and its registry file is there, even if that file cannot be
        read at the moment: a typo must not throw a source out of the pool.
        """
        published = {key[1] for key in self.lake.tables("corpus")}
        return sorted(published & self.registry.source_names)

    def shape(self, encoder: EncoderSpec) -> ModelShape:
        """Return layers, width and identity of a model; a relative path starts from the data folder."""
        return model_shape(encoder.model, encoder.revision, self.settings.data)

    def versions(self, *prefix: str) -> dict[str, str]:
        """Return the data version of the table ``prefix/<source>`` for every active source that has one."""
        found = {}
        for source in self.active_sources():
            info = self.lake.info((*prefix, source))
            if info:
                found["/".join((*prefix, source))] = info.data_version
        return found


def open_warehouse(data: str | Path, device: str = "auto") -> Warehouse:
    """Open the data folder ``data``; ``device`` is where models run (``auto``, ``cpu``, ``cuda:0``)."""
    return Warehouse(Settings.at(Path(data), device))
