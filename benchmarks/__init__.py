"""One script per operation: ours beside each opponent on the same arrays in one run. Figures, never assertions."""
