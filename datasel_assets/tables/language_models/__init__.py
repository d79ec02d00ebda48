"""Causal language models: the proxy trained on the pool, token statistics, scores of them."""
