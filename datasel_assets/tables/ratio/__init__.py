"""Ratio: how much of what a recipe selects is enough.

Belongs here: the table of the files in ``ratio/``, and what a recipe makes of its answer. Does not: the answer
(``runs.knee``), going on after a stop (``tables.runs.carry_out``).
"""
