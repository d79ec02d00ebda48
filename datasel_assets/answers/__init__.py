"""Questions about rows and what is made of the answers: prompts, replies, scores.

Belongs here: arithmetic and text. Does not: whom to ask (``models``), keeping replies (``storage.replies``), which rows
are asked about (``tables.answers``), answers of several people who disagree.
"""
