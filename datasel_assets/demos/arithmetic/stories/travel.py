"""Stories of ways, speeds and loads.

Belongs here: how far, how long and with how much on board. Not here: other themes (a file each),
drawing and computing (``working``).
"""

from datasel_assets.demos.arithmetic.stories.words import NAMES
from datasel_assets.demos.arithmetic.working import Draw, Working, money


def _two_legs(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _arrival(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _meeting(draw: Draw, work: Working) -> str:
    one, two = draw.some(NAMES, 2)
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


def _laps(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _fuel(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _map(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


STORIES = (
    _two_legs,
    _arrival,
    _meeting,
    _laps,
    _fuel,
    _map,
    _enough_buses,
    _load,
)
