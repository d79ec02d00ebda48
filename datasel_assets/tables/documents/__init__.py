"""Tables of documents and of the rows that are drawn out of them; made when somebody asks for them.

Belongs here: reading documents, and the rounds in which some are drawn from. Does not: the rules (``documents``), the
bandit (``bandits``), how the rows become part of the pool (``storage.readers``: ``uri: extraction:<name>``).
"""
