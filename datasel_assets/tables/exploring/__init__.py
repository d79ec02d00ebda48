"""What ``datasel explore`` and ``datasel explain`` show of the tables: the whole pool, and one row of it.

Belongs here: which tables that is read from. Does not: filters (``storage.exploration``), pages and printing (``cli``).
"""
