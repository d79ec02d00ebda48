"""Files to conversations: raw files, corpus, targets, and rows that are there more than once."""
