"""The stories of the arithmetic word problems, by theme. ``STORIES``: name of a story -> the story.

Belongs here: situations, wordings and the ranges of their numbers. Each story draws numbers, works the answer out step
by step and returns the question in one of several wordings. Every number of the working stands in the question, is an
earlier result, or is common knowledge (60 minutes, a dozen). Not here: computing, formatting and random choices
(``working``).
"""

from datasel_assets.demos.arithmetic.stories import money, over_time, shares, travel
from datasel_assets.demos.arithmetic.working import Story

STORIES: dict[str, Story] = {
    story.__name__.removeprefix("_"): story for theme in (money, over_time, shares, travel) for story in theme.STORIES
}
