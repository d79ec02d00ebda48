"""Tests of datasel_assets; the folders mirror the package."""
