"""What a run or its plan is held to: recipes and sources that the command line names.

Belongs here: the arguments, and what is wrong with names. Does not belong here: which tables follow
(``tables.planning``).
"""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasel_assets.registry.registry import Registry
    from datasel_assets.tables.planning import Only


class UnknownNameError(ValueError):
    """A recipe or source that has no file; the message says which there are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is asked for; what of it is stale is found out."""
    parser.add_argument(
        "--recipe", action="append", default=[], help="only what this recipe is made from; repeat it for more"
    )
    parser.add_argument(
        "--source", action="append", default=[], help="only the tables of this source; without --recipe no selection"
    )


def held_to(arguments: argparse.Namespace, registry: "Registry") -> "Only":
    """Return what is asked for.

    Raises:
        UnknownNameError: a name has no file, or one that cannot be used.
    """
    from datasel_assets.schema import suggestion
    from datasel_assets.tables.planning import Only

    for folder, names in (("recipes", arguments.recipe), ("sources", arguments.source)):
        there = getattr(registry, folder)
        for name in names:
            if name not in there:
                listed = f"{suggestion(name, list(there))} There are: {', '.join(sorted(there)) or 'none'}"
                file = f"{folder}/{name}.yaml"
                raise UnknownNameError(registry.errors.get(file, f"{folder} has no file {name}.yaml{listed}"))
    return Only(tuple(arguments.recipe), tuple(arguments.source))
