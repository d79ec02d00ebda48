"""datasel_assets: a Dagster project that selects instruction-tuning data."""

__version__ = "0.1.0"
