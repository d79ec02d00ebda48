"""Stories of what goes on over time.

Belongs here: what grows, fills, cools, is produced, or takes time. Not here: other themes (a file each),
drawing and computing (``working``).
"""

from datasel_assets.demos.arithmetic.stories.words import NAMES
from datasel_assets.demos.arithmetic.working import Draw, Working


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


def _reading(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


STORIES = (
    _increase,
    _doubling,
    _cooling,
    _tank,
    _output,
    _reading,
    _evening,
)
