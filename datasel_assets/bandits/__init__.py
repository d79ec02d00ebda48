"""Bandits: which of several arms to try next, from what the tries so far have earned.

Belongs here: the rules over plain numbers, one file each. Does not: what an arm is and what a try costs (whoever has
the arms), files. The ``state`` of a bandit is made of plain numbers, texts and lists of them, so that it can be written
as JSON at any moment and ``restore`` goes on from it as if nothing had happened.
"""
