"""Which of several equal contents a row is: a count of every content that has streamed by, in a few bytes each.

Belongs here: the table of counts. Not here: what makes two contents equal (``identity``).
"""

from array import array

import numpy as np

SEGMENT_BITS = 6
FIRST_SLOTS = 64
GROWTH, FULL = 1.25, 0.8
_MASK = 2**64 - 1


class Ordinals:
    """Counts equal contents of one source as they stream by; 25 to 32 bytes per distinct content.

    A hash table with linear probing (Knuth, The Art of Computer Programming 3, section 6.4, algorithm L) of 20 bytes a
    slot, at least 64 % and at most 80 % full. It is cut into segments by the first bits of the hash, which are copied
    one at a time when they grow. Contents are compared by all 128 bits of their hash.
    """

    def __init__(self) -> None:
        self._segments = [_Segment() for _ in range(2**SEGMENT_BITS)]

    def next(self, content: str) -> int:
        """0 for the first row with this content hash, 1 for the second, and so on."""
        key = int(content, 16)
        return self._segments[key >> (128 - SEGMENT_BITS)].next((key >> (64 - SEGMENT_BITS)) & _MASK, key & _MASK)

    @property
    def bytes(self) -> int:
        """Memory of the table."""
        return sum(segment.bytes for segment in self._segments)


class _Segment:
    """A table of keys (spread, low) with their counts; a slot is empty where its count is 0.

    The home of a key is where it would lie if all keys were spread evenly. It lies there or in the filled slots that
    follow; the last slot is always empty, so that a search ends.
    """

    def __init__(self) -> None:
        self._used, self._slots = 0, FIRST_SLOTS
        self._allocate(FIRST_SLOTS + 8)

    def next(self, spread: int, low: int) -> int:
        place = ((spread >> 32) * self._slots) >> 32
        spreads, lows, counts = self._spreads, self._lows, self._counts
        while seen := counts[place]:
            if lows[place] == low and spreads[place] == spread:
                counts[place] = seen + 1
                return seen
            place += 1
        spreads[place], lows[place], counts[place] = spread, low, 1
        self._used += 1
        if self._used > FULL * self._slots:
            self._move(int(GROWTH * self._slots))
        elif place + 1 == len(counts):
            self._move(self._slots)
        return 0

    @property
    def bytes(self) -> int:
        return sum(part.itemsize * len(part) for part in (self._spreads, self._lows, self._counts))

    def _allocate(self, length: int) -> None:
        self._spreads, self._lows = (array("Q", bytes(8 * length)) for _ in range(2))
        self._counts = array("I", bytes(4 * length))

    def _move(self, slots: int) -> None:
        """Move every key to a table of ``slots`` homes: to its home, or after the key before it."""
        old = [np.frombuffer(part, part.typecode) for part in (self._spreads, self._lows, self._counts)]
        filled = np.flatnonzero(old[2])
        filled = filled[np.argsort(old[0][filled])]
        home = ((old[0][filled] >> np.uint64(32)) * np.uint64(slots)) >> np.uint64(32)
        number = np.arange(len(filled))
        places = np.maximum.accumulate(home.astype(np.int64) - number) + number
        self._slots = slots
        # Keys at the end of the table run over its last home: a few, since homes are spread evenly.
        self._allocate(max(slots, int(places[-1]) + 1) + 8 + slots // 64)
        for before, part in zip(old, (self._spreads, self._lows, self._counts), strict=True):
            np.frombuffer(part, part.typecode)[places] = before[filled]
