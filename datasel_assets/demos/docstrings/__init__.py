"""Documentation of installed Python packages as instruction rows."""

from datasel_assets.demos.docstrings.instructions import identity, rows

__all__ = ["identity", "rows"]
