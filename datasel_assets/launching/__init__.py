"""How runs begin and where their steps are carried out: the machinery of Dagster that knows no table.

Belongs here: creating, submitting and ending runs, executors, what steps ask for, what is tried again. Does not belong
here: assets, jobs and sensors (``defs``).
"""
