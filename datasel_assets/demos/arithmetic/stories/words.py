"""Names and things that stories of several themes speak of. Belongs here: words alone, no numbers or sentences."""

NAMES = (
    *("Amara", "Aylin", "Bao", "Beatriz", "Carlos", "Chiara", "Dmitri", "Ebba", "Emeka", "Farah", "Felix", "Freya"),
    *("Giorgos", "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jamal", "Jonas", "Kamala", "Kofi", "Leila", "Liam"),
    *("Maeve", "Mateo", "Mei", "Nadia", "Noor", "Olga", "Omar", "Paula", "Quentin", "Rosa", "Samir", "Sofia"),
    *("Tariq", "Tomas", "Uma", "Viktor", "Wanjiru", "Yara", "Yuki", "Zoe"),
)
WARES = (
    *(("notebook", "notebooks"), ("mug", "mugs"), ("candle", "candles"), ("seed packet", "seed packets")),
    *(("paintbrush", "paintbrushes"), ("scarf", "scarves"), ("jar of honey", "jars of honey")),
    *(("puzzle", "puzzles"), ("light bulb", "light bulbs"), ("loaf of bread", "loaves of bread")),
    *(("ticket to the aquarium", "tickets to the aquarium"), ("plant pot", "plant pots"), ("towel", "towels")),
)
"""What is bought by the piece: one, several."""
DEAR_WARES = ("bicycle", "winter coat", "desk", "tent", "guitar", "sewing machine", "camera", "bookcase", "kayak")
SMALL_THINGS = ("marbles", "stickers", "shells", "postcards", "beads", "stamps", "buttons", "pressed leaves")
PORTIONS = ("cookies", "apricots", "dumplings", "walnuts", "pretzels", "rolls", "dates", "strawberries")
