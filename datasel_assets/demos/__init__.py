"""Datasets that are made on the spot, so that a first run needs no download. One folder per dataset.

Belongs here: how the rows of such a source are made. Not here: which ``uri`` names which dataset (``storage.readers``),
what becomes of the rows, reading or writing the project's own files.

Each folder offers, for the parameters of an address such as ``arithmetic:?rows=2000&seed=0``,

- ``rows(query) -> Iterator[RawRow]``, numbered from 0;
- ``identity(query) -> list``: what the rows depend on, as JSON values, found without making them. Equal identities
  mean equal rows, so a change of the code that changes rows changes a number in it.

Both raise ``SourceError`` for a query that they cannot follow.
"""
