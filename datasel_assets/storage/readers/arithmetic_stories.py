"""The stories of the arithmetic word problems.

Belongs here: situations, wordings, names and the ranges of their numbers. Each function of ``STORIES`` draws numbers,
works the answer out step by step and returns the question in one of several wordings. Every number of the working
stands in the question, is an earlier result, or is common knowledge (60 minutes, a dozen). Not here: computing,
formatting and random choices (``arithmetic_working``).
"""

from math import gcd

from datasel_assets.storage.readers.arithmetic_working import Draw, Story, Working, money

STORIES: dict[str, Story] = {}

_NAMES = (
    *("Amara", "Aylin", "Bao", "Beatriz", "Carlos", "Chiara", "Dmitri", "Ebba", "Emeka", "Farah", "Felix", "Freya"),
    *("Giorgos", "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jamal", "Jonas", "Kamala", "Kofi", "Leila", "Liam"),
    *("Maeve", "Mateo", "Mei", "Nadia", "Noor", "Olga", "Omar", "Paula", "Quentin", "Rosa", "Samir", "Sofia"),
    *("Tariq", "Tomas", "Uma", "Viktor", "Wanjiru", "Yara", "Yuki", "Zoe"),
)
_WARES = (
    *(("notebook", "notebooks"), ("mug", "mugs"), ("candle", "candles"), ("seed packet", "seed packets")),
    *(("paintbrush", "paintbrushes"), ("scarf", "scarves"), ("jar of honey", "jars of honey")),
    *(("puzzle", "puzzles"), ("light bulb", "light bulbs"), ("loaf of bread", "loaves of bread")),
    *(("ticket to the aquarium", "tickets to the aquarium"), ("plant pot", "plant pots"), ("towel", "towels")),
)
_DEAR_WARES = ("bicycle", "winter coat", "desk", "tent", "guitar", "sewing machine", "camera", "bookcase", "kayak")
_SMALL_THINGS = ("marbles", "stickers", "shells", "postcards", "beads", "stamps", "buttons", "pressed leaves")
_PORTIONS = ("cookies", "apricots", "dumplings", "walnuts", "pretzels", "rolls", "dates", "strawberries")


def _story(function: Story) -> Story:
    STORIES[function.__name__.removeprefix("_")] = function
    return function


@_story
def _cost(draw: Draw, work: Working) -> str:
    name, (ware, wares) = draw.one(_NAMES), draw.one(_WARES)
    count, price = draw.whole(3, 14), draw.quarters(1, 12)
    work(f"{count} {wares} at {money(price)} each cost {{}} dollars.", count, "*", price)
    return draw.one(
        (
            f"{name} buys {count} {wares}. Each {ware} costs {money(price)}. How many dollars does {name} spend?",
            f"A {ware} is {money(price)}. What is the price of {count} {wares} in dollars?",
            f"At the market, {name} puts {count} {wares} in the basket at {money(price)} each. "
            "What does the stall holder charge, in dollars?",
        )
    )


@_story
def _change(draw: Draw, work: Working) -> str:
    name, (_, wares) = draw.one(_NAMES), draw.one(_WARES)
    count, price = draw.whole(2, 8), draw.quarters(1, 5)
    cost = work(f"The {wares} cost {{}} dollars.", count, "*", price)
    note = next(note for note in (10, 20, 50, 100) if note > cost)
    work("That leaves {} dollars.", note, "-", cost)
    return draw.one(
        (
            f"{name} pays for {count} {wares} at {money(price)} each with a ${note} note. "
            "How much change is due, in dollars?",
            f"With a ${note} note in hand, {name} buys {count} {wares} that cost {money(price)} apiece. "
            f"How many dollars does {name} get back?",
            f"{name} had ${note} and spent part of it on {count} {wares} at {money(price)} each. "
            "How many dollars are left?",
        )
    )


@_story
def _two_kinds(draw: Draw, work: Working) -> str:
    name, ((_, first), (_, second)) = draw.one(_NAMES), draw.some(_WARES, 2)
    many, few = draw.whole(2, 9), draw.whole(2, 9)
    cheap, dear = draw.quarters(1, 4), draw.quarters(5, 11)
    one = work(f"The {first} cost {{}} dollars.", many, "*", cheap)
    two = work(f"The {second} cost {{}} dollars.", few, "*", dear)
    work("Together that is {} dollars.", one, "+", two)
    return draw.one(
        (
            f"{name} orders {many} {first} at {money(cheap)} each and {few} {second} at {money(dear)} each. "
            "What is the total in dollars?",
            f"A school shop sells {first} for {money(cheap)} and {second} for {money(dear)} apiece. "
            f"One morning it sold {many} {first} and {few} {second}. How many dollars did it take in?",
            f"{name} needs {many} {first} ({money(cheap)} each) as well as {few} {second} ({money(dear)} each). "
            f"How many dollars should {name} bring?",
        )
    )


@_story
def _discount(draw: Draw, work: Working) -> str:
    name, ware = draw.one(_NAMES), draw.one(_DEAR_WARES)
    price, percent = draw.whole(40, 600, 20), draw.whole(5, 60, 5)
    share = work(f"{percent}% as a decimal is {{}}.", percent, "/", 100)
    off = work("The reduction is {} dollars.", price, "*", share)
    work("The reduced price is {} dollars.", price, "-", off)
    return draw.one(
        (
            f"A {ware} that normally costs ${price} is reduced by {percent}%. What does it cost now, in dollars?",
            f"{name} has a voucher for {percent}% off and uses it on a {ware} priced at ${price}. "
            f"How many dollars does {name} pay?",
            f"In the end-of-season sale everything is {percent}% cheaper. "
            f"How many dollars does a {ware} with a ${price} tag cost in the sale?",
        )
    )


@_story
def _increase(draw: Draw, work: Working) -> str:
    what = draw.one(("members of a choir", "readers of a newsletter", "trees in an orchard", "hives of a beekeeper"))
    before, percent = draw.whole(100, 2400, 100), draw.whole(4, 45)
    share = work(f"{percent}% as a decimal is {{}}.", percent, "/", 100)
    more = work("The increase is {}.", before, "*", share)
    work("The new number is {}.", before, "+", more)
    return draw.one(
        (
            f"The number of {what} was {before} and grew by {percent}%. What is it now?",
            f"Last year there were {before} {what}; this year there are {percent}% more. How many are there this year?",
            f"A report says that the number of {what} rose {percent}% from {before}. To what number did it rise?",
        )
    )


@_story
def _two_legs(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    early, late = draw.whole(2, 5), draw.whole(2, 4)
    slow, fast = draw.whole(40, 65, 5), draw.whole(70, 110, 5)
    one = work("The first part is {} kilometres long.", slow, "*", early)
    two = work("The second part is {} kilometres long.", fast, "*", late)
    work("The whole way is {} kilometres.", one, "+", two)
    return draw.one(
        (
            f"{name} drives {early} hours at {slow} km/h through the hills, then {late} hours at {fast} km/h on the "
            "motorway. How many kilometres is that?",
            f"A coach keeps to {slow} km/h for {early} hours. After that it does {fast} km/h for {late} hours. "
            "What distance has it covered, in kilometres?",
            f"A freight train runs at {slow} km/h for {early} hours and at {fast} km/h for another {late} hours. "
            "How far has it gone, in kilometres?",
        )
    )


@_story
def _arrival(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    speed, hours, pause = draw.whole(12, 28), draw.whole(2, 6), draw.whole(10, 55, 5)
    distance = speed * hours
    riding = work("Riding takes {} hours.", distance, "/", speed)
    minutes = work("In minutes that is {}.", riding, "*", 60)
    work("With the stop it takes {} minutes.", minutes, "+", pause)
    return draw.one(
        (
            f"{name} cycles {distance} km at a steady {speed} km/h and stops once for {pause} minutes. "
            "How many minutes does the trip take in all?",
            f"The lake is {distance} km away. {name} rides at {speed} km/h and takes a {pause}-minute break on the "
            "way. After how many minutes does the ride end?",
            f"On a tour of {distance} km the group rides {speed} km every hour and eats lunch for {pause} minutes. "
            "How many minutes pass between departure and arrival?",
        )
    )


@_story
def _meeting(draw: Draw, work: Working) -> str:
    one, two = draw.some(_NAMES, 2)
    slow, fast, hours = draw.whole(4, 15), draw.whole(16, 30), draw.whole(2, 7)
    gap = (slow + fast) * hours
    closing = work("Every hour the gap shrinks by {} km.", slow, "+", fast)
    work("They meet after {} hours.", gap, "/", closing)
    return draw.one(
        (
            f"{one} and {two} live {gap} km apart and set out toward each other at the same time, one at {slow} km/h "
            f"and the other at {fast} km/h. After how many hours do they meet?",
            f"Two boats start {gap} km apart and head for each other at {slow} km/h and {fast} km/h. "
            "How many hours go by until they meet?",
            f"A path is {gap} km long. {one} starts at one end at {slow} km/h, {two} at the other end at {fast} km/h, "
            "both at dawn. How many hours after dawn do they meet?",
        )
    )


@_story
def _fraction_left(draw: Draw, work: Working) -> str:
    name, things = draw.one(_NAMES), draw.one(_SMALL_THINGS)
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


@_story
def _equal_shares(draw: Draw, work: Working) -> str:
    food = draw.one(_PORTIONS)
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


@_story
def _left_over(draw: Draw, work: Working) -> str:
    name, things = draw.one(_NAMES), draw.one(_SMALL_THINGS)
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


@_story
def _enough_buses(draw: Draw, work: Working) -> str:
    seats, full = draw.whole(8, 52), draw.whole(2, 9)
    people = seats * full + draw.whole(1, seats - 1)
    vehicle, who = draw.one((("bus", "pupils"), ("ferry", "visitors"), ("gondola", "skiers"), ("van", "players")))
    fleet = {"bus": "buses", "ferry": "ferries", "gondola": "gondolas", "van": "vans"}[vehicle]
    groups = work(f"That fills {{}} {fleet}.", people, "//", seats)
    seated = work(f"In them sit {{}} {who}.", groups, "*", seats)
    work(f"The other {{}} {who} need a seat as well.", people, "-", seated)
    work(f"With one more that makes {{}} {fleet}.", groups, "+", 1)
    return draw.one(
        (
            f"A {vehicle} has {seats} seats. How many {fleet} are needed to take {people} {who} in a single trip?",
            f"{people} {who} have signed up for an outing. They travel in {fleet} with {seats} seats. "
            f"What is the smallest number of {fleet} to book?",
            f"How many {fleet} must be ordered for {people} {who} when each one carries at most {seats}?",
        )
    )


@_story
def _evening(draw: Draw, work: Working) -> str:
    hours, minutes, extra = draw.whole(1, 3), draw.whole(5, 55), draw.whole(6, 30)
    kind = draw.one(("film", "play", "concert", "ballet"))
    whole = work("The full hours are {} minutes.", hours, "*", 60)
    length = work(f"The {kind} lasts {{}} minutes.", whole, "+", minutes)
    work("With the rest it is {} minutes.", length, "+", extra)
    length_in_words = f"{hours} hour{'s' * (hours > 1)} and {minutes} minutes"
    return draw.one(
        (
            f"A {kind} runs for {length_in_words}, plus a break of {extra} minutes. "
            "How many minutes does the evening last?",
            f"Before a {kind} of {length_in_words} there is an introduction of {extra} minutes. "
            "How long is it all together, in minutes?",
            f"The babysitter is needed for a {kind} ({length_in_words}) and the way there and back ({extra} minutes in "
            "total). How many minutes is that?",
        )
    )


@_story
def _fence(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    width, price = draw.whole(5, 30), draw.quarters(3, 18)
    length = width + draw.whole(1, 40)
    half = work("Length and width add up to {} metres.", length, "+", width)
    around = work("All the way round it is {} metres.", half, "*", 2)
    work("The fence costs {} dollars.", around, "*", price)
    return draw.one(
        (
            f"{name} fences a rectangular garden {length} m long and {width} m wide. A metre of fence costs "
            f"{money(price)}. What does the fence cost in dollars?",
            f"A rectangular paddock measures {length} m by {width} m. How many dollars does it take to enclose it with "
            f"fencing at {money(price)} per metre?",
            f"What does a fence around a {length} m by {width} m rectangle cost, in dollars, if each metre is "
            f"{money(price)}?",
        )
    )


@_story
def _paint(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    cover, litres, price = draw.whole(5, 12), draw.whole(2, 10, 2), draw.quarters(6, 20)
    height = max(side for side in (2, 3, 4, 5) if (cover * litres) % side == 0)
    width = cover * litres // height
    area = work("The wall has {} square metres.", width, "*", height)
    need = work("That takes {} litres of paint.", area, "/", cover)
    work("The paint costs {} dollars.", need, "*", price)
    return draw.one(
        (
            f"{name} paints a wall {width} m wide and {height} m high. A litre of paint covers {cover} square metres "
            f"and costs {money(price)}. How many dollars does the paint cost?",
            f"A mural is to be {width} m by {height} m. One litre covers {cover} square metres, at {money(price)} per "
            "litre. What must be paid for the paint, in dollars?",
            f"Paint at {money(price)} a litre is enough for {cover} square metres per litre. What does it cost, in "
            f"dollars, to cover a rectangle of {width} m by {height} m?",
        )
    )


@_story
def _average(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
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


@_story
def _missing_score(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
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


@_story
def _recipe(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
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


@_story
def _laps(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    laps, metres = draw.whole(5, 48), draw.one((25, 50, 200, 250, 400, 800))
    total = work("The distance is {} metres.", laps, "*", metres)
    work("In kilometres that is {}.", total, "/", 1000)
    return draw.one(
        (
            f"{name} does {laps} laps of {metres} m. How many kilometres is that?",
            f"One lap is {metres} metres. How many kilometres has {name} covered after {laps} laps?",
            f"A training plan asks for {laps} rounds of a {metres} m course. Give the distance in kilometres.",
        )
    )


@_story
def _output(draw: Draw, work: Working) -> str:
    product = draw.one(("bottles", "screws", "envelopes", "tiles", "pencils", "lids"))
    rate, hours, faulty = draw.whole(4, 45), draw.whole(2, 9), draw.whole(11, 95)
    hourly = work(f"In an hour the machine makes {{}} {product}.", rate, "*", 60)
    total = work(f"In the whole time it makes {{}} {product}.", hourly, "*", hours)
    work(f"Without the faulty ones {{}} {product} remain.", total, "-", faulty)
    return draw.one(
        (
            f"A machine makes {rate} {product} a minute and runs for {hours} hours. {faulty} of the {product} are "
            "faulty. How many are good?",
            f"Running at {rate} {product} per minute, a line works {hours} hours without a stop; {faulty} {product} "
            "fail the check. How many pass?",
            f"How many usable {product} come out of {hours} hours of work at {rate} per minute, if {faulty} have to be "
            "thrown away?",
        )
    )


@_story
def _overtime(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    hours, extra = draw.whole(20, 40), draw.whole(2, 9)
    wage = draw.whole(12, 30)
    premium = wage + draw.whole(3, 10)
    base = work("The regular hours earn {} dollars.", hours, "*", wage)
    bonus = work("The overtime earns {} dollars.", extra, "*", premium)
    work("The week's pay is {} dollars.", base, "+", bonus)
    return draw.one(
        (
            f"{name} earns ${wage} an hour and ${premium} for each hour of overtime. What is the pay, in dollars, for "
            f"{hours} regular hours and {extra} hours of overtime?",
            f"This week {name} worked {hours} regular hours at ${wage} and {extra} extra hours at ${premium}. "
            f"How many dollars did {name} earn?",
            f"A workshop pays ${wage} per hour, and ${premium} per hour on Saturdays. {name} worked {hours} hours from "
            f"Monday to Friday and {extra} hours on Saturday. What does the workshop owe {name}, in dollars?",
        )
    )


@_story
def _saving(draw: Draw, work: Working) -> str:
    name, ware = draw.one(_NAMES), draw.one(_DEAR_WARES)
    weekly, weeks, have = draw.whole(6, 40), draw.whole(4, 20), draw.whole(15, 120)
    price = weekly * weeks + have
    missing = work("Still missing are {} dollars.", price, "-", have)
    work("Saving takes {} weeks.", missing, "/", weekly)
    return draw.one(
        (
            f"{name} has ${have} and puts ${weekly} aside every week for a {ware} that costs ${price}. "
            "After how many weeks is there enough?",
            f"A {ware} costs ${price}. {name} already saved ${have} and can save ${weekly} a week. "
            "How many weeks will it take?",
            f"For how many weeks must {name} save ${weekly} to buy a {ware} at ${price}, given a birthday gift of "
            f"${have} to begin with?",
        )
    )


@_story
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


@_story
def _ages(draw: Draw, work: Working) -> str:
    old, young = draw.some(_NAMES, 2)
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


@_story
def _doubling(draw: Draw, work: Working) -> str:
    start, added = draw.whole(3, 90), draw.whole(2, 40)
    what, unit = draw.one((("bacteria", "hour"), ("duckweed plants", "week"), ("fruit flies", "day")))
    now = start
    for ordinal in ("first", "second", "third"):
        now = work(f"After the {ordinal} {unit} there are {{}}.", now, "*", 2)
    work(f"With the {added} new ones there are {{}}.", now, "+", added)
    return draw.one(
        (
            f"There are {start} {what}, and every {unit} the number doubles. After 3 {unit}s another {added} are added "
            "from outside. How many are there then?",
            f"A count of {start} {what} doubles each {unit} for 3 {unit}s. Then {added} more join. "
            "What is the final count?",
        )
    )


@_story
def _reading(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    pace, days, rest, left = draw.whole(9, 35), draw.whole(3, 9), draw.whole(10, 40), draw.whole(3, 9)
    pages = pace * days + rest * left
    read = work("Read so far: {} pages.", pace, "*", days)
    open_pages = work("To go: {} pages.", pages, "-", read)
    work("Per day that is {} pages.", open_pages, "/", left)
    return draw.one(
        (
            f"{name} is reading a novel of {pages} pages and has managed {pace} pages a day for {days} days. It is due "
            f"back in {left} days. How many pages a day must {name} read from now on?",
            f"A book has {pages} pages. {name} read {pace} pages on each of the first {days} days and wants to finish "
            f"in {left} more days, reading equally much on each. How many pages is that per day?",
            f"Of a manuscript of {pages} pages, {pace} were proofread on each of {days} days. The others are split "
            f"evenly over {left} days. How many come on each of those days?",
        )
    )


@_story
def _tickets(draw: Draw, work: Working) -> str:
    adults, children = draw.whole(12, 90), draw.whole(8, 70)
    child_price = draw.whole(3, 9)
    price = child_price + draw.whole(2, 9)
    place = draw.one(("a puppet theatre", "a swimming pool", "a castle museum", "a skating rink", "a planetarium"))
    young = work("The number of children is {}.", adults + children, "-", adults)
    full = work("Adults paid {} dollars.", adults, "*", price)
    reduced = work("Children paid {} dollars.", young, "*", child_price)
    work("Together they paid {} dollars.", full, "+", reduced)
    return draw.one(
        (
            f"One day {place} had {adults + children} visitors, {adults} of them adults and the others children. "
            f"Adults pay ${price}, children ${child_price}. How many dollars were taken?",
            f"Admission to {place} is ${price} for adults and ${child_price} for children. Out of {adults + children} "
            f"visitors {adults} were adults. What were the takings in dollars?",
        )
    )


@_story
def _tank(draw: Draw, work: Working) -> str:
    drain, net, minutes = draw.whole(3, 20), draw.whole(4, 30), draw.whole(6, 45)
    volume = net * minutes
    vessel = draw.one(("water tank", "pond", "swimming pool", "trough"))
    gain = work("Every minute the level gains {} litres.", net + drain, "-", drain)
    work("It takes {} minutes.", volume, "/", gain)
    return draw.one(
        (
            f"A pump feeds {net + drain} litres a minute into an empty {vessel} of {volume} litres while {drain} "
            "litres a minute leak out. After how many minutes is it full?",
            f"An empty {vessel} holds {volume} litres. {net + drain} litres flow in and {drain} litres flow out each "
            "minute. How many minutes does it take to fill?",
            f"Water enters a {vessel} at {net + drain} litres per minute and leaves at {drain} litres per minute. "
            f"In how many minutes does the content rise by {volume} litres?",
        )
    )


@_story
def _interest(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    capital, rate, years = draw.whole(300, 6000, 100), draw.whole(2, 9), draw.whole(2, 8)
    share = work(f"{rate}% as a decimal is {{}}.", rate, "/", 100)
    yearly = work("One year brings {} dollars.", capital, "*", share)
    total = work(f"{years} years bring {{}} dollars.", yearly, "*", years)
    work("With the deposit that is {} dollars.", capital, "+", total)
    return draw.one(
        (
            f"{name} lends ${capital} at {rate}% simple interest per year. How many dollars are owed after {years} "
            "years, loan and interest together?",
            f"A deposit of ${capital} earns simple interest of {rate}% a year. What are deposit and interest worth "
            f"after {years} years, in dollars?",
            f"Without compounding, to how many dollars does ${capital} grow in {years} years at {rate}% per year?",
        )
    )


@_story
def _dozens(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    dozens, broken, price = draw.whole(4, 24), draw.whole(3, 20), draw.quarters(1, 3)
    total = work("There were {} eggs.", dozens, "*", 12)
    whole = work("Unbroken are {} eggs.", total, "-", broken)
    work("They bring {} dollars.", whole, "*", price)
    return draw.one(
        (
            f"{name} takes {dozens} dozen goose eggs to the market, but {broken} of the eggs break on the way. "
            f"The others sell at {money(price)} apiece. How many dollars do they bring?",
            f"Out of {dozens} dozen duck eggs {broken} are cracked. {name} sells the rest for {money(price)} each. "
            "What are the takings in dollars?",
        )
    )


@_story
def _fuel(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    distance, use, price = draw.whole(150, 900, 50), draw.whole(4, 9), draw.quarters(1, 2)
    hundreds = work("The way has {} stretches of 100 km.", distance, "/", 100)
    litres = work("The car burns {} litres.", hundreds, "*", use)
    work("The fuel costs {} dollars.", litres, "*", price)
    return draw.one(
        (
            f"{name}'s car burns {use} litres per 100 km and a litre costs {money(price)}. "
            f"What does the fuel for {distance} km cost, in dollars?",
            f"For a trip of {distance} km, {name} hires a van that needs {use} litres of fuel for every 100 km. "
            f"At {money(price)} a litre, how many dollars go into fuel?",
        )
    )


@_story
def _compare(draw: Draw, work: Working) -> str:
    one, two, three = draw.some(_NAMES, 3)
    things = draw.one(_SMALL_THINGS)
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


@_story
def _cooling(draw: Draw, work: Working) -> str:
    drop, hours, end = draw.whole(2, 9), draw.whole(2, 8), draw.whole(3, 30)
    start = end + drop * hours
    place = draw.one(("kiln", "greenhouse", "storeroom", "bath", "workshop"))
    fall = work("The temperature falls by {} degrees.", drop, "*", hours)
    work("It ends at {} degrees.", start, "-", fall)
    return draw.one(
        (
            f"At noon a {place} is at {start} degrees Celsius and cools by {drop} degrees an hour. "
            f"How many degrees does it have {hours} hours later?",
            f"The thermometer in a {place} shows {start} degrees and falls {drop} degrees every hour. "
            f"What does it show after {hours} hours?",
        )
    )


@_story
def _map(draw: Draw, work: Working) -> str:
    name = draw.one(_NAMES)
    scale, there, on = draw.whole(2, 25), draw.quarters(2, 9), draw.quarters(2, 9)
    length = work("On the map the way is {} cm long.", there, "+", on)
    work("In reality it is {} km.", length, "*", scale)
    first, second = float(there), float(on)
    return draw.one(
        (
            f"On {name}'s map 1 cm stands for {scale} km. The way to the hut measures {first:g} cm and the way on to "
            f"the summit {second:g} cm. How many kilometres is it to the summit by way of the hut?",
            f"A map has a scale of {scale} km to the centimetre. Two roads that follow each other are {first:g} cm and "
            f"{second:g} cm long on it. How long are they together in reality, in kilometres?",
        )
    )


@_story
def _pack_price(draw: Draw, work: Working) -> str:
    ware, wares = draw.one(_WARES)
    count, each, saved = draw.whole(3, 10), draw.quarters(1, 6), draw.quarters(1, 3)
    single = work(f"In the pack a {ware} costs {{}} dollars.", count * each, "/", count)
    work("Bought in the pack it is cheaper by {} dollars.", each + saved, "-", single)
    return draw.one(
        (
            f"One {ware} costs {money(each + saved)}. A pack of {count} {wares} costs {money(count * each)}. "
            "How many dollars less does each one cost in the pack?",
            f"A shop sells {wares} at {money(each + saved)} apiece, or {count} for {money(count * each)}. "
            "What does the offer save on each one, in dollars?",
        )
    )


@_story
def _load(draw: Draw, work: Working) -> str:
    weight, more, loaded = draw.whole(12, 60), draw.whole(5, 40), draw.whole(100, 900, 10)
    limit = loaded + weight * more
    vehicle = draw.one(("lift", "lorry", "cargo bike trailer", "barge", "hot-air balloon"))
    room = work("There is room for {} kg.", limit, "-", loaded)
    work("That is enough for {} crates.", room, "/", weight)
    return draw.one(
        (
            f"A {vehicle} may carry {limit} kg and already holds {loaded} kg. How many crates of {weight} kg can be "
            "added?",
            f"Crates weigh {weight} kg each. With {loaded} kg on board, how many of them can a {vehicle} with a limit "
            f"of {limit} kg still take?",
        )
    )
