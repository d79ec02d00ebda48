"""Tables of the files in ``loops/``: what a loop made of the rows of the pool, and its rounds.

Belongs here: one module for each kind of loop. Does not: what their files say (``specs.loop``), bandits (``bandits``),
trainings and gradients (``models``).

The table ``loops/<name>`` of any kind has a line for every row of the pool: ``row_id``, ``source``, ``score`` (null for
a row that the loop did not choose) and ``told``, in words why; recipes read it as ``loops.<name>``. Beside it lies
``loop_rounds/<name>`` with a line for each try.
"""
