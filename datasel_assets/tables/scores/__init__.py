"""Numbers about rows: families of indicators, blends, declared scores."""
