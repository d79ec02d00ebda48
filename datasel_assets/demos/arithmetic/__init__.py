"""Arithmetic word problems with worked answers: a seeded generator in the manner of GSM8K."""

from datasel_assets.demos.arithmetic.problems import identity, rows

__all__ = ["identity", "rows"]
