"""Files to conversations: raw files, corpus, copies, targets."""
