"""Compiled tokeniser of ASCII text. Import it inside functions only: it loads numba.

Belongs here: the rule of ``batch`` (words, numbers, ends of sentences) for bytes below 128, several times as fast as
the expression there, which knows all scripts. Does not: any other text.
"""

import numpy as np

from datasel_assets.compiled import compiled

_LETTER, _DIGIT, _SPACE, _STOP, _CLOSER, _SEPARATOR, _APOSTROPHE, _CAPITAL = (1 << k for k in range(8))


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
            | _CAPITAL * character.isupper()
        )
    return kinds


_KINDS = _kinds()
_BYTE, _LAST, _PRIME, _HALF = np.uint64(8), np.uint64(56), np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
SMALL = 32
"""Set in letters, digits and the marks inside words unless the letter is a capital: ``byte | SMALL`` is lower case."""


def split(text: bytes, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Find the words and sentences of rows of bytes.

    Args:
        text: all rows one after the other, every byte below 128.
        offsets: int64 (n + 1,).

    Returns:
        Number of each word int32 (T,), words of each row int64 (n,), whether each word has a capital bool (T,),
        sentences of each row int64 (n,), and where in ``text`` each distinct word begins and ends int64 (V,).
    """
    return _split(np.frombuffer(text, np.uint8), offsets, _KINDS)


@compiled
def _run(stream, kinds, place, end, wanted):
    """Return where the bytes of the wanted kinds that begin at ``place`` end."""
    while place < end and kinds[stream[place]] & wanted:
        place += 1
    return place


@compiled
def _taken(stream, kinds, place, end, wanted, code, seen):
    """Take the byte at ``place`` and those of the wanted kinds after it; return where they end, with code and kinds."""
    while True:
        byte = stream[place]
        code = (code << _BYTE | code >> _LAST) ^ np.uint64(byte | SMALL)
        seen |= kinds[byte]
        place += 1
        if place == end or not kinds[stream[place]] & wanted:
            return place, code, seen


@compiled
def _word(stream, kinds, place, end):
    """Return where the word that begins at ``place`` ends, its code and the kinds of its bytes.

    Equal words have equal codes, and equal codes of up to eight bytes equal words.
    """
    stop, code, seen = _taken(stream, kinds, place, end, _LETTER | _DIGIT, np.uint64(0), 0)
    mark, part = _APOSTROPHE, _LETTER
    if seen == _DIGIT and stop < end and kinds[stream[stop]] & _SEPARATOR:
        mark, part = _SEPARATOR, _DIGIT
    while stop < end - 1 and kinds[stream[stop]] & mark and kinds[stream[stop + 1]] & part:
        stop, code, seen = _taken(stream, kinds, stop, end, part, code, seen)
    return stop, code, seen


@compiled
def _same(stream, left, right, length):
    """Whether two words are equal in lower case."""
    for k in range(length):  # noqa: SIM110 - numba compiles no generators
        if stream[left + k] | SMALL != stream[right + k] | SMALL:
            return False
    return True


@compiled
def _slot(code, slots):
    """Return the place of a code in a table of ``slots``, a power of two."""
    mixed = code * _PRIME
    return np.int64((mixed ^ mixed >> _HALF) & np.uint64(slots - 1))


@compiled
def _grown(codes, distinct, slots):
    """Return a table of twice the size with all distinct words in it."""
    table = np.zeros(2 * slots, np.int32)
    for known in range(distinct):
        slot = _slot(codes[known], 2 * slots)
        while table[slot] > 0:
            slot = (slot + 1) & (2 * slots - 1)
        table[slot] = known + 1
    return table


@compiled
def _split(stream, offsets, kinds):
    n = len(offsets) - 1
    most = len(stream) // 2 + len(offsets)  # Words within a row have a byte between them.
    slots = 1 << 12
    table, codes = np.zeros(slots, np.int32), np.empty(most, np.uint64)
    ids, capital = np.empty(most, np.int32), np.empty(most, np.bool_)
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    words, sentences = np.zeros(n, np.int64), np.zeros(n, np.int64)
    total, distinct = 0, 0
    for row in range(n):
        place, end = offsets[row], offsets[row + 1]
        open_word, label, opened = False, False, True
        while place < end:
            kind = kinds[stream[place]]
            if kind & (_LETTER | _DIGIT):
                stop, code, seen = _word(stream, kinds, place, end)
                length, slot = stop - place, _slot(code, slots)
                while True:
                    known = table[slot] - 1
                    if known < 0:
                        starts[distinct], ends[distinct], codes[distinct] = place, stop, code
                        known = distinct
                        distinct += 1
                        table[slot] = distinct
                        break
                    alike = codes[known] == code and ends[known] - starts[known] == length
                    if alike and (length <= 8 or _same(stream, starts[known], place, length)):
                        break
                    slot = (slot + 1) & (slots - 1)
                if 2 * distinct > slots:
                    table = _grown(codes, distinct, slots)
                    slots *= 2
                ids[total], capital[total] = known, seen & _CAPITAL
                total += 1
                words[row] += 1
                label, open_word, opened = seen == _DIGIT and opened, True, False
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
