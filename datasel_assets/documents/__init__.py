"""Documents: texts that are no conversations, and the questions with answers that stand in them.

Belongs here: reading a text's parts, and rules that draw rows out of them. Does not: files, which document is read
(``bandits``), the tables (``tables.documents``).
"""
