"""Stories of buying, selling, earning and saving.

Belongs here: what things cost, and what is earned or kept. Not here: other themes (a file each),
drawing and computing (``working``).
"""

from datasel_assets.demos.arithmetic.stories.words import DEAR_WARES, NAMES, WARES
from datasel_assets.demos.arithmetic.working import Draw, Working, money


def _cost(draw: Draw, work: Working) -> str:
    name, (ware, wares) = draw.one(NAMES), draw.one(WARES)
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


def _change(draw: Draw, work: Working) -> str:
    name, (_, wares) = draw.one(NAMES), draw.one(WARES)
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


def _two_kinds(draw: Draw, work: Working) -> str:
    name, ((_, first), (_, second)) = draw.one(NAMES), draw.some(WARES, 2)
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


def _discount(draw: Draw, work: Working) -> str:
    name, ware = draw.one(NAMES), draw.one(DEAR_WARES)
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


def _pack_price(draw: Draw, work: Working) -> str:
    ware, wares = draw.one(WARES)
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


def _dozens(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _fence(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _paint(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _overtime(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


def _saving(draw: Draw, work: Working) -> str:
    name, ware = draw.one(NAMES), draw.one(DEAR_WARES)
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


def _interest(draw: Draw, work: Working) -> str:
    name = draw.one(NAMES)
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


STORIES = (
    _cost,
    _change,
    _two_kinds,
    _discount,
    _pack_price,
    _dozens,
    _tickets,
    _fence,
    _paint,
    _overtime,
    _saving,
    _interest,
)
