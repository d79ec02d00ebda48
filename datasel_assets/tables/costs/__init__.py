"""What making tables costs: what a step had to do, what a run is expected to take, what it took in the end.

Belongs here: sizes of what is there, the plan of a run, plans that are kept. Does not belong here: the arithmetic of
costs (``datasel_assets.costs``), the forecast of one pass of a model from a few of its rows (``tables.forecast``).
"""
