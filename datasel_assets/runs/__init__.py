"""What many trainings on different parts of a pool say of the parts: designs, effects, verdicts. Plain arrays.

Belongs here: which parts each training sees, how much each part does to an outcome, whether that is more than noise.
Does not: trainings (``models``), tables and pages (``tables.runs``), scores that know single rows (``indicators``).

An outcome is a utility throughout: larger is better. Whoever has losses hands over their negative.
"""
