"""Ground floor: what several folders do with plain arrays. Arrays in, arrays out.

Belongs here: what two or more folders above need and what knows nothing of rows of data: vectors read in blocks,
samples by hash, nearest neighbours, divergences, which rows run together in a batch. Does not: anything that only one
folder needs, words (``words``), models of files (``specs``).
"""
