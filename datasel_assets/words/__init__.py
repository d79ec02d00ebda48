"""Texts as arrays of words.

Belongs here: what a word is for the indicators and whoever else counts words, and the arrays of a text's words and
characters. Does not: any figure of a text (``indicators.text``), other rules of what a word is.
"""
