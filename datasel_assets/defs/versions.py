"""Code versions of the producers. Raise one when the meaning of what it writes changes: its tables are made anew.

By hand and not by a hash of the source text, because re-encoding a million rows for a changed comment is no service.
"""

READERS = "1"
CORPUS = "1"
DUPLICATES = "1"
EMBEDDINGS = "1"
REPRESENTATIONS = "1"
FIDELITY = "1"
CLUSTERS = "1"
NEAR_DUPLICATES = "1"
CONTAMINATION = "1"
PROXY_LM = "1"
TOKENS = "1"
SCORES = "1"
NEIGHBOURS = "1"
SELECTIONS = "1"
COMPARISON = "1"
PROXY_EVAL = "1"
CATALOG = "1"
