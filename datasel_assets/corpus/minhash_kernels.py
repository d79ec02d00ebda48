"""Compiled loops of the near-duplicate search. Import it inside functions only: it loads numba (about half a second).

Belongs here: integer loops over bytes, hashes and signatures. Does not: frames, validation, policy (``minhash``,
``near_duplicates``). Everything is integer arithmetic modulo 2^64 or 2^32 on single bytes, so the results do not depend
on the processor, its byte order, the number of threads or the version of a library.
"""

import numpy as np
from numba import int64, uint32, uint64

from datasel_assets.compiled import compiled

SPACE, WORD, MARK, ALONE = 0, 1, 2, 3
WORDS, TOKENS, CHARACTERS = 0, 1, 2
_PRIME = np.uint64(0x100000001B3)
_BASIS = np.uint64(0xCBF29CE484222325)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_EMPTY = np.uint32(0xFFFFFFFF)


@compiled
def mix(value):
    """Return the finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64 bits."""
    value = uint64(value)
    value = (value ^ (value >> uint64(30))) * _MIX_1
    value = (value ^ (value >> uint64(27))) * _MIX_2
    return value ^ (value >> uint64(31))


@compiled
def kind_of(point):
    """Return SPACE, WORD (letters, digits, marks, _), MARK (punctuation) or ALONE (always a token by itself)."""
    if point < 0x80:
        if 97 <= point <= 122 or 65 <= point <= 90 or 48 <= point <= 57 or point == 95:
            return WORD
        if point == 32 or 9 <= point <= 13 or 28 <= point <= 31:
            return SPACE
        return MARK
    if point <= 0xBF:
        if point == 0x85 or point == 0xA0:
            return SPACE
        return WORD if point == 0xAA or point == 0xB5 or point == 0xBA else MARK
    if point < 0x0E00:
        return WORD
    if point <= 0x0EFF or 0x1000 <= point <= 0x109F or 0x1780 <= point <= 0x17FF:
        return ALONE  # Thai, Lao, Burmese, Khmer: written without spaces between words
    if point == 0x1680 or 0x2000 <= point <= 0x200A or point == 0x2028 or point == 0x2029:
        return SPACE
    if point == 0x202F or point == 0x205F or point == 0x3000:
        return SPACE
    if 0x200B <= point <= 0x206F:
        return MARK
    if 0x2070 <= point <= 0x2BFF or 0x2E00 <= point <= 0x9FFF or 0xF900 <= point <= 0xFAFF:
        return ALONE  # symbols, kana, Han and their punctuation
    if 0xFE30 <= point <= 0xFE4F or 0xFF00 <= point <= 0xFFEF or point >= 0x1F000:
        return ALONE  # full-width forms, emoji, the later planes of Han
    return WORD


@compiled
def _tokenise(data, start, stop, unit, tokens):
    """Write the hash of each token of the UTF-8 bytes ``data[start:stop]`` to ``tokens``; return how many there are."""
    count = 0
    word = uint64(0)
    inside = False
    gap = False
    i = start
    while i < stop:
        point = int(data[i])
        i += 1
        if point < 0x80:
            if 65 <= point <= 90:
                point += 32
        elif point < 0xE0:
            point = ((point & 0x1F) << 6) | (data[i] & 0x3F)
            i += 1
        elif point < 0xF0:
            point = ((point & 0x0F) << 12) | ((data[i] & 0x3F) << 6) | (data[i + 1] & 0x3F)
            i += 2
        else:
            point = ((point & 0x07) << 18) | ((data[i] & 0x3F) << 12) | ((data[i + 1] & 0x3F) << 6)
            point |= data[i + 2] & 0x3F
            i += 3
        kind = kind_of(point)
        if unit == CHARACTERS:
            if kind == SPACE:
                gap = count > 0
                continue
            if gap:
                tokens[count] = mix((_BASIS ^ uint64(32)) * _PRIME)
                count += 1
                gap = False
            tokens[count] = mix((_BASIS ^ uint64(point)) * _PRIME)
            count += 1
            continue
        if kind == WORD or (kind == MARK and unit == WORDS):
            word = ((word if inside else _BASIS) ^ uint64(point)) * _PRIME
            inside = True
            continue
        if inside:
            tokens[count] = mix(word)
            count += 1
            inside = False
        if kind != SPACE:
            tokens[count] = mix((_BASIS ^ uint64(point)) * _PRIME)
            count += 1
    if inside:
        tokens[count] = mix(word)
        count += 1
    return count


@compiled
def _shingle(tokens, count, n, shingles):
    """Write the sorted distinct hashes of the runs of ``n`` tokens to ``shingles``; return how many there are.

    The hash of a run is the polynomial sum_j t_j B^(n-1-j) modulo 2^64, mixed with its length.
    """
    if count == 0:
        return 0
    length = min(n, count)
    power = uint64(1)
    for _ in range(length):
        power *= _STEP
    rolling = uint64(0)
    for j in range(length):
        rolling = rolling * _STEP + tokens[j]
    salt = mix(uint64(length))
    shingles[0] = mix(rolling ^ salt)
    for j in range(length, count):
        rolling = rolling * _STEP + tokens[j] - power * tokens[j - length]
        shingles[j - length + 1] = mix(rolling ^ salt)
    total = count - length + 1
    shingles[:total].sort()
    kept = 1
    for j in range(1, total):
        if shingles[j] != shingles[kept - 1]:
            shingles[kept] = shingles[j]
            kept += 1
    return kept


@compiled
def _digest(shingles, count):
    """Return one hash of a sorted set of shingles."""
    digest = mix(uint64(count) + _STEP)
    for j in range(count):
        digest = (digest ^ shingles[j]) * _MIX_1
        digest ^= digest >> uint64(29)
    return mix(digest)


@compiled
def sign(data, offsets, n, unit, multipliers, addends, values, sizes, digests):
    """Fill the signature, the number of shingles and the digest of each text; see ``minhash.signatures``."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    tokens = np.empty(longest + 1, np.uint64)
    shingles = np.empty(longest + 1, np.uint64)
    slots = len(multipliers)
    lowest = np.empty(slots, np.uint32)
    for row in range(len(offsets) - 1):
        count = _tokenise(data, offsets[row], offsets[row + 1], unit, tokens)
        count = _shingle(tokens, count, n, shingles)
        sizes[row] = count
        digests[row] = _digest(shingles, count)
        for slot in range(slots):
            lowest[slot] = _EMPTY
        for j in range(count):
            element = uint32(shingles[j] >> uint64(32))
            for slot in range(slots):
                value = uint32(element * multipliers[slot] + addends[slot])
                lowest[slot] = min(lowest[slot], value)
        for slot in range(slots):
            values[row, slot] = lowest[slot]


@compiled
def _grown(values):
    """Return a copy with twice the room; written out, because slices take seconds to compile."""
    larger = np.empty(2 * len(values), values.dtype)
    for i in range(len(values)):
        larger[i] = values[i]
    return larger


@compiled
def shingle_sets(data, offsets, n, unit):
    """Return the sorted distinct shingle hashes of all texts, one after the other, and where each set ends."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    tokens = np.empty(longest + 1, np.uint64)
    shingles = np.empty(longest + 1, np.uint64)
    hashes = np.empty(max(64, (offsets[-1] - offsets[0]) // 4), np.uint64)
    ends = np.zeros(len(offsets), np.int64)
    filled = 0
    for row in range(len(offsets) - 1):
        count = _tokenise(data, offsets[row], offsets[row + 1], unit, tokens)
        count = _shingle(tokens, count, n, shingles)
        while filled + count > len(hashes):
            hashes = _grown(hashes)
        for j in range(count):
            hashes[filled + j] = shingles[j]
        filled += count
        ends[row + 1] = filled
    return hashes[:filled], ends


@compiled
def overlaps(hashes, ends, left, right, threshold, shared):
    """Count the shingles that each pair shares, or write -1 as soon as the pair cannot reach the threshold."""
    for pair in range(len(left)):
        i, stop_i = ends[left[pair]], ends[left[pair] + 1]
        j, stop_j = ends[right[pair]], ends[right[pair] + 1]
        # |A and B| >= t / (1 + t) (|A| + |B|); the slack keeps rounding from losing a pair on the line.
        needed = np.ceil(threshold / (1 + threshold) * (stop_i - i + stop_j - j) - 1e-6)
        spare_i = (stop_i - i) - needed
        spare_j = (stop_j - j) - needed
        found = 0
        while i < stop_i and j < stop_j and spare_i >= 0 and spare_j >= 0:
            a, b = hashes[i], hashes[j]
            if a == b:
                found += 1
                i += 1
                j += 1
            elif a < b:
                i += 1
                spare_i -= 1
            else:
                j += 1
                spare_j -= 1
        shared[pair] = found if found >= needed else -1


@compiled
def _equal_band(values, a, b, first, rows):
    equal = True
    for j in range(first, first + rows):
        equal &= values[a, j] == values[b, j]
    return equal


@compiled
def _band_key(values, row, first, rows):
    """Return a hash of one band of a signature, never 0."""
    key = uint64(first)
    for j in range(first, first + rows):
        key = (key ^ uint64(values[row, j])) * _MIX_1
        key ^= key >> uint64(31)
    return mix(key) | uint64(1)


@compiled
def _room_for(count):
    slots = 64
    while slots < 2 * count:
        slots *= 2
    return slots


@compiled
def candidates(values, sizes, nodes, fresh, bands, rows, threshold, listed, limit):
    """Return pairs (better, worse) of nodes that share a bucket and may reach the threshold, each pair once.

    Only buckets with a fresh node are looked at, and only pairs with a fresh node are returned.

    Args (nodes are numbered from best to worst):
        values, sizes: of all rows.
        nodes: (m,) row that carries the signature of each node; none without a shingle.
        fresh: (m,) bool.
        bands, rows, threshold: see ``minhash``.
        listed: (m, bands) bool, whether the node is among the best ``limit`` of its bucket: as it was without the fresh
            nodes, and brought up to date.
        limit: a node is compared with the best ``limit`` nodes of each of its buckets.
    """
    m = len(nodes)
    newcomers = 0
    for x in range(m):
        newcomers += fresh[x]
    marks = np.zeros(_room_for(newcomers), np.uint64)
    table = np.empty(_room_for(m), np.int32)
    after = np.empty(m, np.int32)
    last = np.empty(m, np.int32)
    members = np.empty(m, np.int32)
    better = np.empty(1024, np.int32)
    worse = np.empty(1024, np.int32)
    filled = 0
    slots = len(table) if newcomers == m else len(marks)
    for band in range(bands):
        first = band * rows
        for slot in range(slots):
            table[slot] = -1
        if newcomers < m:
            for slot in range(len(marks)):
                marks[slot] = 0
            for x in range(m):
                if fresh[x]:
                    key = _band_key(values, nodes[x], first, rows)
                    slot = int64(key >> uint64(1)) & (len(marks) - 1)
                    while marks[slot] != 0 and marks[slot] != key:
                        slot = (slot + 1) & (len(marks) - 1)
                    marks[slot] = key
        for x in range(m):
            key = _band_key(values, nodes[x], first, rows)
            slot = int64(key >> uint64(1)) & (slots - 1)
            if newcomers < m:
                mark = slot
                while marks[mark] != 0 and marks[mark] != key:
                    mark = (mark + 1) & (len(marks) - 1)
                if marks[mark] == 0:
                    continue
            while table[slot] >= 0 and not _equal_band(values, nodes[table[slot]], nodes[x], first, rows):
                slot = (slot + 1) & (slots - 1)
            head = table[slot]
            after[x] = -1
            listed[x, band] = True
            if head < 0:
                table[slot] = x
                last[x] = x
                members[x] = 1
                continue
            y = head
            while y >= 0:
                low = min(sizes[nodes[x]], sizes[nodes[y]])
                high = max(sizes[nodes[x]], sizes[nodes[y]])
                if (fresh[x] or fresh[y]) and low + 1e-6 >= threshold * high:
                    seen = False
                    for earlier in range(band):
                        # Not new if an earlier band has brought the two together, y within the limit.
                        if listed[y, earlier] and _equal_band(values, nodes[x], nodes[y], earlier * rows, rows):
                            seen = True
                            break
                    if not seen:
                        if filled == len(better):
                            better, worse = _grown(better), _grown(worse)
                        better[filled] = y
                        worse[filled] = x
                        filled += 1
                y = after[y]
            if members[head] < limit:
                after[last[head]] = x
                last[head] = x
                members[head] += 1
            else:
                listed[x, band] = False
    return better[:filled], worse[:filled]


@compiled
def still_candidates(values, nodes, bands, rows, listed, better, worse, result):
    """Say for each pair of nodes whether ``candidates`` would bring the two together."""
    for pair in range(len(better)):
        result[pair] = False
        for band in range(bands):
            if listed[better[pair], band] and _equal_band(
                values, nodes[better[pair]], nodes[worse[pair]], band * rows, rows
            ):
                result[pair] = True
                break


@compiled
def stars(count, better, worse, similarity, parent, strength, component):
    """Give each node its representative, best node first.

    Args:
        count: number of nodes, numbered from best to worst.
        better: the better node of each verified pair; pairs are sorted by (worse, better).
        worse: the other node.
        similarity: of the pairs.
        parent: (count,) int64, filled: the most similar better node that stays (the best of several), else itself.
        strength: (count,) float64, filled: similarity to it; 1 where the node stays.
        component: (count,) int64, filled: best node of the connected component.
    """
    for x in range(count):
        parent[x] = x
        strength[x] = 1.0
        component[x] = x
    for pair in range(len(worse)):
        x, y = worse[pair], better[pair]
        # All pairs of y lie before those of x, because y < x: whether y stays is settled.
        if parent[y] == y and (parent[x] == x or similarity[pair] > strength[x]):
            parent[x] = y
            strength[x] = similarity[pair]
        a, b = x, y
        while component[a] != a:
            component[a] = component[component[a]]
            a = component[a]
        while component[b] != b:
            component[b] = component[component[b]]
            b = component[b]
        component[max(a, b)] = min(a, b)
    for x in range(count):
        component[x] = component[component[x]]
