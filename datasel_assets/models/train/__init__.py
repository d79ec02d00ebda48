"""Training a causal language model row by row: one step, batches that keep rows apart, checkpoints to go on from.

Belongs here: how any training here takes its steps and survives a kill. Does not: which rows are trained on and what
for (``proxy_lm``, ``fine_tune``, ``dynamics``), a model that only reads (``causal_lm``).
"""
