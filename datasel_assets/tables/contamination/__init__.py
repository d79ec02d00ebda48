"""Items of evaluations and the rows that hold them."""
