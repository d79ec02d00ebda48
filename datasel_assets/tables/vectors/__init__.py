"""Vectors of conversations and what is fitted on them: embeddings, representations, clusters, categories."""
