"""Stories of sharing, comparing and averaging.

Belongs here: parts of a whole, and amounts beside each other. Not here: other themes (a file each),
drawing and computing (``working``).
"""

from math import gcd

from datasel_assets.demos.arithmetic.stories.words import NAMES, PORTIONS, SMALL_THINGS
from datasel_assets.demos.arithmetic.working import Draw, Working


def _fraction_left(draw: Draw, work: Working) -> str:
    name, things = draw.one(NAMES), draw.one(SMALL_THINGS)
    parts = draw.whole(3, 9)
    given = draw.one([share for share in range(2, parts) if gcd(share, parts) == 1])
    size = draw.whole(4, 25)
    total = parts * size
    part = work(f"1/{parts} of the {things} is {{}}.", total, "/", parts)
    gone = work(f"{given}/{parts} is {{}}.", part, "*", given)
    work("What remains is {}.", total, "-", gone)
    return draw.one(
        (
            f"{name} has {total} {things} and gives {given}/{parts} of them away. How many does {name} keep?",
            f"Of {total} {things} in a drawer, {given}/{parts} have been sorted. How many are not sorted yet?",
            f"{name} collected {total} {things} and sold {given}/{parts} of them at a fair. How many were not sold?",
        )
    )


def _equal_shares(draw: Draw, work: Working) -> str:
    food = draw.one(PORTIONS)
    people, boxes = draw.some(range(2, 13), 2)
    per_box = people // gcd(people, boxes) * draw.whole(3, 9)
    total = work(f"There are {{}} {food}.", boxes, "*", per_box)
    work("Everyone gets {}.", total, "/", people)
    return draw.one(
        (
            f"A baker fills {boxes} boxes with {per_box} {food} each and shares all of them equally among {people} "
            f"families. How many {food} does a family get?",
            f"{people} hikers share {boxes} bags of {food} evenly. A bag holds {per_box}. "
            "How many does each hiker get?",
            f"For a party there are {boxes} trays with {per_box} {food} on each. {people} guests get the same number "
            "and nothing is left. What is that number?",
        )
    )


def _left_over(draw: Draw, work: Working) -> str:
    name, things = draw.one(NAMES), draw.one(SMALL_THINGS)
    size, full = draw.whole(6, 24), draw.whole(4, 20)
    total = size * full + draw.whole(1, size - 1)
    groups = work("The number of full ones is {}.", total, "//", size)
    used = work(f"They hold {{}} {things}.", groups, "*", size)
    work(f"So {{}} {things} are left over.", total, "-", used)
    return draw.one(
        (
            f"{name} puts {total} {things} into albums that hold {size} each, filling one after the other. "
            "How many are left when no further album can be filled?",
            f"A club packs {total} {things} in bags of {size}. Only full bags are sold. "
            f"How many {things} remain unsold?",
            f"{total} {things} are laid out in rows of {size}. How many do not fit into a full row?",
        )
    )


def _ratio(draw: Draw, work: Working) -> str:
    mix = draw.one((("concrete", "sand", "cement"), ("lemonade", "water", "syrup"), ("muesli", "oats", "raisins")))
    many, few, size = draw.whole(3, 9), draw.whole(1, 4), draw.whole(3, 25)
    total = (many + few) * size
    parts = work("Together there are {} parts.", many, "+", few)
    part = work("One part is {} kg.", total, "/", parts)
    work(f"The share of {mix[1]} is {{}} kg.", part, "*", many)
    return draw.one(
        (
            f"{mix[0].capitalize()} is mixed from {mix[1]} and {mix[2]} in the ratio {many}:{few} by weight. "
            f"How many kilograms of {mix[1]} are in {total} kg?",
            f"For {total} kg of {mix[0]}, take {many} parts of {mix[1]} to {few} of {mix[2]}, by weight. "
            f"How many kilograms of {mix[1]} is that?",
            f"A supplier mixes {many} kg of {mix[1]} with every {few} kg of {mix[2]} to make {mix[0]}. "
            f"How many kilograms of {mix[1]} does an order of {total} kg contain?",
        )
    )


def _recipe(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
    dish, ingredient = draw.one(
        (("pancakes", "flour"), ("risotto", "rice"), ("soup", "lentils"), ("stew", "beans"), ("salad", "couscous"))
    )
    servings, each, guests = draw.whole(2, 6), draw.whole(45, 120, 5), draw.whole(7, 24)
    portion = work(f"One serving needs {{}} g of {ingredient}.", servings * each, "/", servings)
    work(f"{guests} servings need {{}} g.", portion, "*", guests)
    return draw.one(
        (
            f"A recipe for {dish} takes {servings * each} g of {ingredient} for {servings} people. "
            f"How many grams does {name} need for {guests} people?",
            f"{name} cooks {dish}: {servings * each} g of {ingredient} make {servings} servings. "
            f"How many grams of {ingredient} make {guests} servings?",
            f"If {servings} servings of {dish} use {servings * each} g of {ingredient}, how many grams go into "
            f"{guests} servings?",
        )
    )


def _compare(draw: Draw, work: Working) -> str:
    one, two, three = draw.some(NAMES, 3)
    things = draw.one(SMALL_THINGS)
    base, times, fewer = draw.whole(8, 40), draw.whole(2, 6), draw.whole(3, 15)
    second = work(f"{two} has {{}} {things}.", base, "*", times)
    third = work(f"{three} has {{}} {things}.", second, "-", fewer)
    both = work(f"{one} and {two} have {{}} together.", base, "+", second)
    work("All three have {}.", both, "+", third)
    return draw.one(
        (
            f"{one} has {base} {things}. {two} has {times} times as many, and {three} has {fewer} fewer than {two}. "
            "How many do the three have together?",
            f"{two} owns {times} times as many {things} as {one}, who owns {base}. {three} owns {fewer} fewer than "
            f"{two}. How many {things} are there in all?",
            f"How many {things} do {one}, {two} and {three} own in total, if {one} owns {base}, {two} {times} times "
            f"that number, and {three} {fewer} fewer than {two}?",
        )
    )


def _ages(draw: Draw, work: Working) -> str:
    old, young = draw.some(NAMES, 2)
    age, times, years = draw.whole(4, 16), draw.whole(2, 5), draw.whole(3, 12)
    older = work(f"{old} is {{}} years old now.", times, "*", age)
    both = work("Together they are {} years old.", older, "+", age)
    gained = work("Two people grow older by {} years.", 2, "*", years)
    work("The sum is then {}.", both, "+", gained)
    return draw.one(
        (
            f"{young} is {age} and {old} is {times} times as old. What will the sum of their ages be in {years} years?",
            f"{old}'s age is {times} times that of {young}, who is {age}. "
            f"How many years will they count together {years} years from now?",
            f"{young} turned {age} today. {old}, born on the same day of the year, is {times} times as old. "
            f"Add up their ages in {years} years: what is the result?",
        )
    )


def _average(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
    mean = draw.whole(20, 90)
    shifts = [draw.whole(-6, 6) for _ in range(3)]
    values = [mean + shift for shift in (*shifts, -sum(shifts))]
    draw.random.shuffle(values)
    total = work("The first two give {}.", values[0], "+", values[1])
    total = work("With the third it is {}.", total, "+", values[2])
    total = work("With the fourth it is {}.", total, "+", values[3])
    work("The average is {}.", total, "/", 4)
    listed = f"{values[0]}, {values[1]}, {values[2]} and {values[3]}"
    return draw.one(
        (
            f"In 4 quizzes {name} scored {listed} points. What is the average?",
            f"A weather station counted {listed} sunny hours in 4 successive weeks. What is the mean per week?",
            f"{name} read {listed} pages on 4 evenings. How many pages is that per evening on average?",
        )
    )


def _missing_score(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
    goal = draw.whole(60, 82)  # the fourth result is at most goal + 3 * 6, so that it stays within 100 points
    known = [goal + draw.whole(-6, 6) for _ in range(3)]
    total = work("The first two results add up to {}.", known[0], "+", known[1])
    total = work("All three so far add up to {}.", total, "+", known[2])
    wanted = work("Four tests with that average need {} points.", goal, "*", 4)
    work("The fourth test must bring {} points.", wanted, "-", total)
    listed = f"{known[0]}, {known[1]} and {known[2]}"
    return draw.one(
        (
            f"{name} has {listed} points in three tests. How many points in the 4th test give an average of {goal}?",
            f"After results of {listed}, {name} wants to end with a mean of exactly {goal} over 4 tests. "
            "What is the result to aim for in the last one?",
            f"The average of 4 numbers is {goal}. Three of them are {listed}. What is the fourth?",
        )
    )


STORIES = (
    _fraction_left,
    _equal_shares,
    _left_over,
    _ratio,
    _recipe,
    _compare,
    _ages,
    _average,
    _missing_score,
)
