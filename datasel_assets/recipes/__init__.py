"""Recipes: what a selection is, how it is carried out, and why each row was kept or dropped. No files, no Dagster."""
