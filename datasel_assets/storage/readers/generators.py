"""Sources that are made, not read. Belongs here: which scheme means which module. Not here: how the rows are made.

Such a module has ``rows(query) -> Iterator[RawRow]`` and ``fingerprint(query) -> str``, where ``query`` are the
parameters of the address, as in ``arithmetic:?rows=2000&seed=0``.
"""

from types import ModuleType

from datasel_assets.storage.readers import arithmetic, docstrings

GENERATORS: dict[str, ModuleType] = {"arithmetic": arithmetic, "docstrings": docstrings}
