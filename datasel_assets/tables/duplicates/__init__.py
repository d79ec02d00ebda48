"""Tables of rows that repeat others: exact, near and semantic duplicates."""
