"""The pool in the memory of one process, to be looked at.

Belongs here: the database of one sitting, filters over it, what is counted and shown. Does not: which tables its
columns come from (``tables.exploring``), the page (``cli``).
"""
