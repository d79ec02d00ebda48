"""Runs: trainings on many parts of the pool, and what each part does to the outcomes.

Belongs here: the tables of the files in ``runs/``. Does not: designs and effects (``runs``), trainings (``models``).
"""
