"""Compiled tokeniser and SHA-256 of hashed n-grams. Import it inside functions only: it loads numba.

Belongs here: the split into words and punctuation over UTF-8 bytes, the numbers of distinct tokens and n-grams, their
buckets. Does not: lower case and the classes of characters (``dsir``), which are those of the expression it stands for.
"""

import numpy as np

from datasel_assets.compiled import compiled

ONE_BLOCK = 55
"""Longest message that SHA-256 pads to a single block of 64 bytes; longer ones are not hashed here."""

_LANES = 64
_SPACE = 0
_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def _fractions(power: int, count: int) -> np.ndarray:
    """First 32 bits behind the point of the square or cube roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3)."""
    primes = [p for p in range(2, 312) if all(p % q for q in range(2, int(p**0.5) + 1))][:count]
    found = []
    for prime in primes:
        low, high, scaled = 0, 1 << 40, prime << (32 * power)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**power <= scaled else (low, middle - 1)
        found.append(low & 0xFFFFFFFF)
    return np.array(found, np.uint32)


_START, _ROUNDS = _fractions(2, 8), _fractions(3, 64)


@compiled
def _kind(stream, place, kinds):
    """Return the class of the character that begins at ``place``, and its bytes."""
    point = np.int64(stream[place])
    if point < 0x80:
        return kinds[point], 1
    width = 2 if point < 0xE0 else 3 if point < 0xF0 else 4
    point &= 0x7F >> width
    for k in range(1, width):
        point = (point << 6) | (stream[place + k] & 0x3F)
    return kinds[point], width


@compiled
def _slot(code, slots):
    mixed = code * _MIX
    return np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(slots - 1))


@compiled
def _grown(table):
    """Return a table of twice the size with the same entries: pairs of a code and a number from 1, 0 where free."""
    slots = 2 * len(table)
    grown = np.zeros((slots, 2), np.uint64)
    for old in range(len(table)):
        if table[old, 1] > 0:
            slot = _slot(table[old, 0], slots)
            while grown[slot, 1] > 0:
                slot = (slot + 1) & (slots - 1)
            grown[slot, 0], grown[slot, 1] = table[old, 0], table[old, 1]
    return grown


def split(stream: np.ndarray, offsets: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, ...]:
    """Find and number the tokens of rows of UTF-8 bytes in lower case.

    Args:
        stream: uint8 (bytes,), all rows one after the other.
        offsets: int64 (n + 1,).
        kinds: class of each code point, uint8 (0x110000,): 0 for space; a token is a longest run of another class.

    Returns:
        Number of each token int32 (T,), tokens of each row int64 (n,), and of each distinct token, in the order of
        their first occurrence: where in ``stream`` it begins and ends, and the place of that token, int64 (V,).
    """
    ids, lengths = np.empty(len(stream), np.int32), np.zeros(len(offsets) - 1, np.int64)
    short, long = np.zeros((1 << 14, 2), np.uint64), np.zeros((1 << 14, 2), np.uint64)
    about = np.empty((1 << 14, 3), np.int64)
    # Row, byte, tokens, distinct tokens, of these short and long. Tables grow out here: a loop whose arrays never
    # change hands is several times as fast.
    state = np.zeros(6, np.int64)
    while state[0] < len(lengths):
        _split(stream, offsets, kinds, short, long, about, ids, lengths, state)
        if 2 * state[4] >= len(short):
            short = _grown(short)
        if 2 * state[5] >= len(long):
            long = _grown(long)
        if state[3] >= len(about):
            about = np.concatenate([about, np.empty_like(about)])
    starts, ends, firsts = np.ascontiguousarray(about[: state[3]].T)
    return ids[: state[2]].copy(), lengths, starts, ends, firsts


@compiled
def _split(stream, offsets, kinds, short, long, about, ids, lengths, state):
    """Go on from ``state`` until the end, or until a table is full."""
    row, place, total, distinct, n_short, n_long = state
    while row < len(lengths):
        end = offsets[row + 1]
        while place < end:
            kind, width = _kind(stream, place, kinds)
            if kind == _SPACE:
                place += width
                continue
            start = place
            place += width
            while place < end:
                byte = stream[place]
                if byte < 0x80:
                    if kinds[byte] != kind:
                        break
                    place += 1
                else:
                    found, width = _kind(stream, place, kinds)
                    if found != kind:
                        break
                    place += width
            # A token of up to eight bytes is its own code; others have a hash for a code, and are compared.
            code, plain = np.uint64(0), place - start <= 8
            if plain:
                for k in range(start, place):
                    code = (code << np.uint64(8)) | np.uint64(stream[k])
                    plain &= stream[k] > 0
            known = -1
            if plain:
                slot = _slot(code, len(short))
                while short[slot, 1] > 0 and short[slot, 0] != code:
                    slot = (slot + 1) & (len(short) - 1)
                known = np.int64(short[slot, 1]) - 1
            else:
                code = _BASIS
                for k in range(start, place):
                    code = (code ^ np.uint64(stream[k])) * _PRIME
                slot = _slot(code, len(long))
                while long[slot, 1] > 0:
                    other = np.int64(long[slot, 1]) - 1
                    if long[slot, 0] == code and about[other, 1] - about[other, 0] == place - start:
                        shift, at = about[other, 0] - start, start
                        while at < place and stream[at + shift] == stream[at]:
                            at += 1
                        if at == place:
                            known = other
                            break
                    slot = (slot + 1) & (len(long) - 1)
            if known < 0:
                if distinct == len(about) or 2 * n_short >= len(short) or 2 * n_long >= len(long):
                    state[:] = (row, start, total, distinct, n_short, n_long)
                    return
                known = distinct
                about[distinct, 0], about[distinct, 1], about[distinct, 2] = start, place, total
                distinct += 1
                if plain:
                    short[slot, 0], short[slot, 1] = code, np.uint64(distinct)
                    n_short += 1
                else:
                    long[slot, 0], long[slot, 1] = code, np.uint64(distinct)
                    n_long += 1
            ids[total] = known
            total += 1
            lengths[row] += 1
        row += 1
    state[:] = (row, place, total, distinct, n_short, n_long)


def extend(tokens: np.ndarray, offsets: np.ndarray, before: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the n-grams that begin at each token from the (n-1)-grams that begin there.

    Args:
        tokens: int32 (T,).
        offsets: int64 (n + 1,), rows in ``tokens``.
        before: number of the n-gram of ``length - 1`` tokens at each place, int32 (T,).
        length: tokens of an n-gram.

    Returns:
        Number of the n-gram at each place int32 (T,), -1 where its row ends before it does; place of an occurrence of
        each distinct one int64 (V,).
    """
    ids, firsts = np.full(len(tokens), -1, np.int32), np.empty(1 << 14, np.int64)
    table = np.zeros((1 << 14, 2), np.uint64)
    state = np.zeros(3, np.int64)  # row, place, distinct n-grams
    while state[0] < len(offsets) - 1:
        _extend(tokens, offsets, before, length, table, ids, firsts, state)
        if 3 * state[2] >= 2 * len(table):
            table = _grown(table)
        if state[2] >= len(firsts):
            firsts = np.concatenate([firsts, np.empty_like(firsts)])
    return ids, firsts[: state[2]].copy()


@compiled
def _extend(tokens, offsets, before, length, table, ids, firsts, state):
    """Go on from ``state`` until the end, or until a table is full."""
    row, place, distinct = state
    while row < len(offsets) - 1:
        place = max(place, offsets[row])
        while place < offsets[row + 1] - length + 1:
            pair = (np.uint64(before[place]) << np.uint64(32)) | np.uint64(tokens[place + length - 1])
            slot = _slot(pair, len(table))
            while table[slot, 1] > 0 and table[slot, 0] != pair:
                slot = (slot + 1) & (len(table) - 1)
            known = np.int64(table[slot, 1]) - 1
            if known < 0:
                if distinct == len(firsts) or 3 * distinct >= 2 * len(table):
                    state[:] = (row, place, distinct)
                    return
                firsts[distinct] = place
                known = distinct
                distinct += 1
                table[slot, 0], table[slot, 1] = pair, np.uint64(distinct)
            ids[place] = known
            place += 1
        row += 1
    state[:] = (row, place, distinct)


@compiled
def _hash(words, work, first, second):
    """Put the SHA-256 of one block per lane into ``work`` (8, lanes); ``words`` (64, lanes) holds the block in 16."""
    # Every loop over the lanes touches few rows: only such loops become vector instructions.
    lanes = words.shape[1]
    for t in range(16, 64):
        for lane in range(lanes):
            x, y = words[t - 15, lane], words[t - 2, lane]
            small = ((x >> np.uint32(7)) | (x << np.uint32(25))) ^ ((x >> np.uint32(18)) | (x << np.uint32(14)))
            large = ((y >> np.uint32(17)) | (y << np.uint32(15))) ^ ((y >> np.uint32(19)) | (y << np.uint32(13)))
            small ^= x >> np.uint32(3)
            large ^= y >> np.uint32(10)
            words[t, lane] = words[t - 16, lane] + small + words[t - 7, lane] + large
    for letter in range(8):
        work[letter, :] = _START[letter]
    for t in range(64):
        # Round t finds its eight letters turned by t places, so that nothing has to be moved.
        a, b, c, d = work[(-t) & 7], work[(1 - t) & 7], work[(2 - t) & 7], work[(3 - t) & 7]
        e, f, g, h = work[(4 - t) & 7], work[(5 - t) & 7], work[(6 - t) & 7], work[(7 - t) & 7]
        now, constant = words[t], _ROUNDS[t]
        for lane in range(lanes):
            x = e[lane]
            up = ((x >> np.uint32(6)) | (x << np.uint32(26))) ^ ((x >> np.uint32(11)) | (x << np.uint32(21)))
            up ^= (x >> np.uint32(25)) | (x << np.uint32(7))
            first[lane] = h[lane] + up + ((x & f[lane]) ^ (~x & g[lane])) + constant + now[lane]
        for lane in range(lanes):
            y = a[lane]
            down = ((y >> np.uint32(2)) | (y << np.uint32(30))) ^ ((y >> np.uint32(13)) | (y << np.uint32(19)))
            down ^= (y >> np.uint32(22)) | (y << np.uint32(10))
            second[lane] = down + ((y & b[lane]) ^ (y & c[lane]) ^ (b[lane] & c[lane]))
        for lane in range(lanes):
            d[lane] += first[lane]
            h[lane] = first[lane] + second[lane]
    for letter in range(8):
        work[letter, :] += _START[letter]


@compiled
def buckets(stream, starts, ends, tokens, firsts, length, size):
    """Return SHA-256 modulo ``size`` of each distinct n-gram, its tokens joined by spaces, int32 (V,).

    -1 for an n-gram of more than ``ONE_BLOCK`` bytes.

    Args:
        stream: uint8, the bytes that ``starts`` and ``ends`` point into.
        starts: where each distinct token begins, int64.
        ends: where it ends.
        tokens: number of each token, int32 (T,).
        firsts: place in ``tokens`` where an occurrence of each n-gram begins, int64 (V,).
        length: tokens of an n-gram.
        size: number of buckets, below 2**31.
    """
    found = np.full(len(firsts), -1, np.int32)
    message, lane_of = np.zeros(64, np.uint8), np.zeros(_LANES, np.int64)
    words, work = np.zeros((64, _LANES), np.uint32), np.zeros((8, _LANES), np.uint32)
    first, second = np.zeros(_LANES, np.uint32), np.zeros(_LANES, np.uint32)
    filled = 0
    for k in range(len(firsts) + 1):
        if k < len(firsts):
            at = length - 1
            for j in range(length):
                token = tokens[firsts[k] + j]
                at += ends[token] - starts[token]
            if at > ONE_BLOCK:
                continue
            message[:] = 0
            message[62], message[63] = (8 * at) >> 8, (8 * at) & 0xFF
            at = 0
            for j in range(length):
                if j > 0:
                    message[at] = 32
                    at += 1
                token = tokens[firsts[k] + j]
                for place in range(starts[token], ends[token]):
                    message[at] = stream[place]
                    at += 1
            message[at] = 0x80
            for t in range(16):
                words[t, filled] = (
                    (np.uint32(message[4 * t]) << np.uint32(24))
                    | (np.uint32(message[4 * t + 1]) << np.uint32(16))
                    | (np.uint32(message[4 * t + 2]) << np.uint32(8))
                    | np.uint32(message[4 * t + 3])
                )
            lane_of[filled] = k
            filled += 1
        if filled == _LANES or (k == len(firsts) and filled > 0):
            _hash(words, work, first, second)
            for lane in range(filled):
                rest = np.uint64(0)
                for letter in range(8):
                    rest = ((rest << np.uint64(32)) | np.uint64(work[letter, lane])) % np.uint64(size)
                found[lane_of[lane]] = rest
            filled = 0
    return found


@compiled
def scatter(ids, bucket_of, row_starts, filled, out):
    """Write the buckets of the n-grams of each row behind what it holds already.

    Args:
        ids: number of the n-gram at each token, -1 for none, int32 (T,).
        bucket_of: int32 (V,).
        row_starts: int64 (n + 1,), rows in ``ids``.
        filled: where the next entry of each row goes in ``out``, int64 (n,); moved on.
        out: int32.
    """
    for row in range(len(row_starts) - 1):
        to = filled[row]
        for place in range(row_starts[row], row_starts[row + 1]):
            if ids[place] >= 0:
                out[to] = bucket_of[ids[place]]
                to += 1
        filled[row] = to
