"""Registry files: what YAML under the data folder may say, as strict models, and how folders of them are loaded."""
