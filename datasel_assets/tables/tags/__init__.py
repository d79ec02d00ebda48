"""Labels of rows, the graph of the labels, and scores made of them."""
