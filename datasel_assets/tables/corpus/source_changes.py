"""Which sources there are now, and what is new, changed or gone since the last look.

Belongs here: looking at the registry and at files. Does not belong here: who looks and what is run then
(``defs.sensors``).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.readers import snapshot
from datasel_assets.tables.warehouse import Warehouse


@dataclass(frozen=True)
class SourceChanges:
    """What a look at the registry calls for."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...]

    @property
    def said(self) -> list[str]:
        """Return the changes in words, one entry per kind."""
        found = {"new": self.added, "changed": self.changed, "gone": self.retired}
        return [f"{what}: {', '.join(names)}" for what, names in found.items() if names]


def source_changes(listing: Mapping[str, str], unlisted: Collection[str], seen: Mapping[str, str]) -> SourceChanges:
    """Compare the sources that exist now with what was seen at the last look.

    Args:
        listing: source -> fingerprint of its registry file and content.
        unlisted: sources that could not be looked at this time, of which nothing is assumed.
        seen: ``listing`` of the last look; empty where that is not known, so that every source counts as new.

    A retired source keeps its tables (``make prune`` deletes them): its rows leave the pool with
    the next selection, and come back untouched if the file comes back.
    """
    return SourceChanges(
        added=tuple(sorted(set(listing) - set(seen))),
        changed=tuple(sorted(name for name in listing if name in seen and seen[name] != listing[name])),
        retired=tuple(sorted(set(seen) - set(listing) - set(unlisted))),
    )


def list_sources(warehouse: Warehouse) -> tuple[dict[str, str], dict[str, str]]:
    """Return (source -> fingerprint, source -> why it cannot be listed).

    A source that cannot be listed is in the second mapping and never counts as gone: a failed listing is not an
    empty one.
    """
    listing, failures = {}, {}
    for name, spec in warehouse.registry.sources.items():
        try:
            content = snapshot(spec, name, warehouse.settings.data, warehouse.settings.warehouse / "_cache")
            listing[name] = digest([spec.model_dump(mode="json"), content.fingerprint])
        except (OSError, ValueError) as error:
            failures[name] = str(error)
    for file, message in warehouse.registry.errors.items():
        if file.startswith("sources/"):
            failures[file.removeprefix("sources/").removesuffix(".yaml")] = message
    return listing, failures
