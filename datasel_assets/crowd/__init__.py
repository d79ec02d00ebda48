"""Answers of people: what is true if they disagree, how good each of them is, what to ask next, and what it costs.

Belongs here: arithmetic on answers that are numbers: tasks, workers and classes counted from 0. Does not belong here:
what is asked (``specs.labels``), files and tables (``storage``, ``tables.labels``).

Chai, Fan, Li, Wang and Zheng, Crowd-Powered Data Mining (arXiv 1806.04968) is the map of this folder: quality
(``truth``, ``workers``, ``assignment``), cost (``deduction``, ``sampling``) and latency (``rounds``, ``simulate``).
"""
