"""What work costs: figures that were measured, told for other amounts of work, added up and held against limits.

Belongs here: arithmetic over plain values. Does not belong here: which tables are to be made and how many rows they
have (``tables.costs``), measuring (``tables.making``).
"""
