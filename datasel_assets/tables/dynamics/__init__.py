"""Dynamics: trainings of which every presentation of every row is remembered, and the scores that follow from them."""
