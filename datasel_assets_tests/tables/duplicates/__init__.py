"""Tests of tables of duplicates."""
