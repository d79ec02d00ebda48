"""Many questions in one prompt, and few labelled examples for all of them.

Belongs here: which questions go together, which examples each prompt shows, what that costs, and answers that cannot be
read. Does not belong here: who answers, and what a question is about beside its numbers and its text.

Fan et al., Cost-Effective In-Context Learning for Entity Resolution: A Design Space Exploration (BATCHER, ICDE 2024,
arXiv 2312.03987). Two things are unlike its code: a question that no example covers gets its nearest one and is
counted, and a question without a readable answer stays in every figure as one that was not answered right.
"""
