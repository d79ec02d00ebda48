"""The only floor that touches files: readers, the Parquet lake, the DuckDB catalog and releases."""
