"""Tables of answers about rows, and the scores made of them."""
