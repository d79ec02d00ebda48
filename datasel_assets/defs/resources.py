"""The resource every asset takes: which data folder, and where models run."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from datasel_assets.tables.warehouse import Warehouse, open_warehouse


class WarehouseResource(dg.ConfigurableResource):
    """Opens the data folder for one step.

    ``device`` chooses where models run; the device and precision really used stand in each materialisation.
    """

    data: str = Field(description="Data folder: registry files in, warehouse/ and releases/ out.")
    device: str = Field(default="auto", description="auto | cpu | cuda | cuda:0")

    def open(self) -> Warehouse:
        """Return the opened data folder."""
        return open_warehouse(Path(self.data), self.device)
