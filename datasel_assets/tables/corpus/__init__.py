"""Files to conversations: raw files, corpus, targets."""
