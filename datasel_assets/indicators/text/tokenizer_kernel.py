"""Compiled tokeniser of ASCII text. Import it inside functions only: it loads numba.

Belongs here: the rule of ``batch`` (words, numbers, ends of sentences) for bytes below 128, several times as fast as
the expression there, which knows all scripts. Does not: any other text.
"""

import numpy as np

from datasel_assets.compiled import compiled

_LETTER, _DIGIT, _SPACE, _STOP, _CLOSER, _SEPARATOR, _APOSTROPHE = 1, 2, 4, 8, 16, 32, 64


def _kinds() -> np.ndarray:
    kinds = np.zeros(128, np.uint8)
    for code in range(128):
        character = chr(code)
        kinds[code] = (
            _LETTER * character.isalpha()
            | _DIGIT * character.isdigit()
            | _SPACE * (character in "\t\n\v\f\r ")
            | _STOP * (character in ".!?")
            | _CLOSER * (character in "\"')]*_")
            | _SEPARATOR * (character in ".,:")
            | _APOSTROPHE * (character == "'")
        )
    return kinds


_KINDS = _kinds()
_BASIS, _PRIME, _HALF = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(32)


def split(text: bytes, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Find the words and sentences of rows of bytes.

    Args:
        text: all rows one after the other, every byte below 128.
        offsets: int64 (n + 1,).

    Returns:
        Number of each word int32 (T,), words of each row int64 (n,), whether each word has a capital bool (T,),
        sentences of each row int64 (n,), and where in ``text`` each distinct word begins and ends int64 (V,).
    """
    stream, small = np.frombuffer(text, np.uint8), np.frombuffer(text.lower(), np.uint8)
    return _split(stream, small, offsets, _KINDS)


@compiled
def _run(stream, kinds, place, end, wanted):
    """Return where the bytes of the wanted kinds that begin at ``place`` end."""
    while place < end and kinds[stream[place]] & wanted:
        place += 1
    return place


@compiled
def _word_end(stream, kinds, place, end):
    """Return where the word that begins at ``place`` ends."""
    stop = _run(stream, kinds, place, end, _DIGIT)
    number = stop
    # A number with separators, each between digits.
    while stop > place and number < end - 1 and kinds[stream[number]] & _SEPARATOR:
        more = _run(stream, kinds, number + 1, end, _DIGIT)
        if more == number + 1:
            break
        number = more
    if number > stop:
        return number
    stop = _run(stream, kinds, place, end, _LETTER | _DIGIT)
    while stop < end - 1 and kinds[stream[stop]] & _APOSTROPHE:
        more = _run(stream, kinds, stop + 1, end, _LETTER)
        if more == stop + 1:
            break
        stop = more
    return stop


@compiled
def _same(small, left, right, length):
    """Whether two stretches are equal."""
    for k in range(length):  # noqa: SIM110 - numba compiles no generators
        if small[left + k] != small[right + k]:
            return False
    return True


@compiled
def _grown(codes, distinct, slots):
    """Return a table of twice the size with all distinct words in it."""
    table = np.zeros(2 * slots, np.int32)
    for known in range(distinct):
        slot = np.int64(codes[known] & np.uint64(2 * slots - 1))
        while table[slot] > 0:
            slot = (slot + 1) & (2 * slots - 1)
        table[slot] = known + 1
    return table


@compiled
def _split(stream, small, offsets, kinds):
    n = len(offsets) - 1
    most = len(stream) // 2 + len(offsets)  # Words within a row have a byte between them.
    slots = 1 << 12
    table, codes = np.zeros(slots, np.int32), np.zeros(most, np.uint64)
    ids, capital = np.zeros(most, np.int32), np.zeros(most, np.bool_)
    starts, ends = np.zeros(most, np.int64), np.zeros(most, np.int64)
    words, sentences = np.zeros(n, np.int64), np.zeros(n, np.int64)
    total, distinct = 0, 0
    for row in range(n):
        place, end = offsets[row], offsets[row + 1]
        open_word, label, opened = False, False, True
        while place < end:
            kind = kinds[stream[place]]
            if kind & (_LETTER | _DIGIT):
                stop = _word_end(stream, kinds, place, end)
                code, large, digits = _BASIS, False, True
                for k in range(place, stop):
                    value = small[k]
                    large |= value != stream[k]
                    digits &= 48 <= value <= 57
                    code = (code ^ np.uint64(value)) * _PRIME
                code ^= code >> _HALF
                slot = np.int64(code & np.uint64(slots - 1))
                while True:
                    known = table[slot] - 1
                    if known < 0:
                        starts[distinct], ends[distinct], codes[distinct] = place, stop, code
                        known = distinct
                        distinct += 1
                        table[slot] = distinct
                        break
                    length = stop - place
                    if ends[known] - starts[known] == length and _same(small, starts[known], place, length):
                        break
                    slot = (slot + 1) & (slots - 1)
                if 2 * distinct > slots:
                    table = _grown(codes, distinct, slots)
                    slots *= 2
                ids[total], capital[total] = known, large
                total += 1
                words[row] += 1
                label, open_word, opened = digits and opened, True, False
                place = stop
                continue
            stop = place
            if kind & _STOP:
                after = _run(stream, kinds, _run(stream, kinds, place, end, _STOP), end, _CLOSER)
                if after == end:
                    stop = end
                elif kinds[stream[after]] & _SPACE:
                    stop = after + 1
            elif stream[place] == 10 or stream[place] == 13:
                stop = place + 1
            if stop > place:
                if open_word and not (label and stream[place] == 46):
                    sentences[row] += 1
                open_word, opened = False, True
                place = stop
            else:
                place += 1
        if open_word:
            sentences[row] += 1
        if words[row] > 0 and sentences[row] == 0:
            sentences[row] = 1
    return ids[:total], words, capital[:total], sentences, starts[:distinct], ends[:distinct]
