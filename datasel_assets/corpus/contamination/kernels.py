"""The loops of contamination, compiled. Imported inside functions only: numba takes half a second to load.

Belongs here: splitting bytes into hashed words, and scanning words for the n-grams of an index. Every hit of a hash is
compared byte by byte before it counts, so a collision costs time and never a wrong report.
"""

import numpy as np

from datasel_assets.compiled import compiled

SEED = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x100000001B3)
BASE = np.uint64(0x9E3779B97F4A7C15)
MIX = np.uint64(0xFF51AFD7ED558CCD)
HALF = np.uint64(32)

EXACT, NGRAM = 0, 1

SYMBOL, RELATION, WEAK, BRACKET, GAP = 3, 4, 5, 6, -1
"""Classes of characters beside those of ``words``."""


@compiled
def _mixed(h):
    h ^= h >> HALF
    h *= MIX
    return h ^ (h >> HALF)


@compiled
def _code_at(data, pos):
    """Code point at ``pos`` and its bytes."""
    lead = np.int64(data[pos])
    if lead < 0x80:
        return lead, 1
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | (np.int64(data[pos + 1]) & 0x3F), 2
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | (np.int64(data[pos + 1]) & 0x3F) << 6 | (np.int64(data[pos + 2]) & 0x3F), 3
    code = (lead & 0x07) << 18 | (np.int64(data[pos + 1]) & 0x3F) << 12
    return code | (np.int64(data[pos + 2]) & 0x3F) << 6 | (np.int64(data[pos + 3]) & 0x3F), 4


@compiled
def _class_at(data, pos, end, classes):
    """Class of the character at ``pos`` and its bytes; GAP behind the end."""
    if pos >= end:
        return GAP, 1
    code, size = _code_at(data, pos)
    return (np.int64(classes[code]) if code < len(classes) else 0), size


@compiled
def _marks_a_line(data, begin, pos, stop, end):
    """Whether symbols are the bullet, quotation mark or heading of a line, or a rule across the page."""
    i = pos
    while i > begin and (data[i - 1] == 32 or data[i - 1] == 9):
        i -= 1
    if i > begin and data[i - 1] != 10 and data[i - 1] != 13:
        return False
    return stop - pos > 2 or (stop < end and (data[stop] == 32 or data[stop] == 9))


@compiled
def _before_an_operand(data, pos, end, classes):
    """Whether the next word begins with a digit or is a single letter."""
    kind, size = _class_at(data, pos, end, classes)
    while pos < end and kind != 1 and kind != 2:
        pos += size
        kind, size = _class_at(data, pos, end, classes)
    if pos >= end:
        return False
    return 48 <= data[pos] <= 57 or kind == 2 or _class_at(data, pos + size, end, classes)[0] != 1


@compiled
def split_words(data, offsets, classes, out, starts, ends, hashes, opens, first):
    """Write the words of each text; return (number of words, bytes used of ``out``). See ``words.Words``.

    Symbols that count are written behind the word before them, relations and signs before the word behind them.
    """
    words = 0
    used = 0
    for text in range(len(offsets) - 1):
        first[text] = words
        begin, end = offsets[text], offsets[text + 1]
        pos = begin
        inside = False
        fresh = True
        h = SEED
        chars = 0
        kept, kept_end, glued = 0, 0, False  # symbols that wait for the next word, and whether it takes them as a sign
        while pos < end:
            code, size = _code_at(data, pos)
            kind = np.int64(classes[code]) if code < len(classes) else 0
            if inside and kind != 1:
                ends[words] = used
                hashes[words] = _mixed(h)
                words += 1
                inside = False
            if kind == 1 or kind == 2:
                if not inside:
                    if used > 0:
                        out[used] = 32
                        used += 1
                    starts[words] = used
                    opens[words] = fresh
                    fresh = False
                    h = SEED
                    inside = True
                    chars = 0
                    for i in range(kept, kept_end):
                        out[used] = data[i]
                        h = (h ^ np.uint64(data[i])) * PRIME
                        used += 1
                    if kept_end > kept and not glued:
                        out[used] = 32
                        used += 1
                        h = (h ^ np.uint64(32)) * PRIME
                    kept, kept_end = 0, 0
                chars += 1
                for i in range(size):
                    byte = np.int64(data[pos + i])
                    if size == 1 and 65 <= byte <= 90:
                        byte += 32
                    out[used] = byte
                    h = (h ^ np.uint64(byte)) * PRIME
                    used += 1
                if kind == 2:
                    ends[words] = used
                    hashes[words] = _mixed(h)
                    words += 1
                    inside = False
            elif kind >= SYMBOL:
                stop = pos + size
                relation = kind == RELATION
                weak = kind == WEAK
                if kind != BRACKET:
                    other, width = _class_at(data, stop, end, classes)
                    while other >= SYMBOL and other != BRACKET:
                        relation |= other == RELATION
                        weak &= other == WEAK
                        stop += width
                        other, width = _class_at(data, stop, end, classes)
                if relation and pos > begin and data[pos - 1] == 33:  # !=
                    pos -= 1
                left = pos == begin or (data[pos - 1] < 0x80 and classes[data[pos - 1]] == GAP)
                right = _class_at(data, stop, end, classes)[0] == GAP
                digit = pos > begin and 48 <= data[pos - 1] <= 57
                sign = left and not right and stop - pos == 1 and data[pos] == 45 and 48 <= data[stop] <= 57
                counts = (left == right or (digit and data[pos] == 37)) and not _marks_a_line(
                    data, begin, pos, stop, end
                )
                counts = counts and words > first[text]
                if counts and weak and not sign:
                    counts = chars == 1 or 48 <= out[used - 1] <= 57
                    counts = counts and _before_an_operand(data, stop, end, classes)
                if sign or (counts and relation):
                    kept, kept_end, glued = pos, stop, sign
                elif counts:
                    out[used] = 32
                    used += 1
                    h = (h ^ np.uint64(32)) * PRIME
                    for i in range(pos, stop):
                        out[used] = data[i]
                        h = (h ^ np.uint64(data[i])) * PRIME
                        used += 1
                    ends[words - 1] = used
                    hashes[words - 1] = _mixed(h)
                pos = stop
                continue
            elif code == 10 or code == 13 or code == 0x85 or code == 0x2028 or code == 0x2029:
                fresh = True
            pos += size
        if inside:
            ends[words] = used
            hashes[words] = _mixed(h)
            words += 1
    first[len(offsets) - 1] = words
    return words, used


@compiled
def gram_hashes(hashes, firsts, counts, n, out):
    """Write the hashes of the ``counts[u]`` n-grams from word ``firsts[u]`` on, unit after unit."""
    k = 0
    for u in range(len(firsts)):
        for i in range(counts[u]):
            h = np.uint64(0)
            for j in range(n):
                h = h * BASE + hashes[firsts[u] + i + j]
            out[k] = h
            k += 1


@compiled
def fill_table(keys, slots, bits):
    """Put the places of ``keys`` (distinct) into the open hash table ``slots`` (-1 = empty) and the filter ``bits``."""
    slot_mask = np.uint64(len(slots) - 1)
    bit_mask = np.uint64(len(bits) * 64 - 1)
    for g in range(len(keys)):
        h = _mixed(keys[g])
        bit = (h >> HALF) & bit_mask
        bits[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
        s = h & slot_mask
        while slots[s] != -1:
            s = (s + np.uint64(1)) & slot_mask
        slots[s] = g


@compiled
def _find(key, keys, slots, bits):
    h = _mixed(key)
    bit = (h >> HALF) & np.uint64(len(bits) * 64 - 1)
    if (bits[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1) == np.uint64(0):
        return -1
    mask = np.uint64(len(slots) - 1)
    s = h & mask
    while slots[s] != -1:
        if keys[slots[s]] == key:
            return slots[s]
        s = (s + np.uint64(1)) & mask
    return -1


@compiled
def _same(a, a_start, a_end, b, b_start, b_end):
    if a_end - a_start != b_end - b_start:
        return False
    for i in range(a_end - a_start):  # noqa: SIM110 (compiled; a generator is not)
        if a[a_start + i] != b[b_start + i]:
            return False
    return True


@compiled
def _room(found, n):
    """Return ``found`` with room for one more hit."""
    if n < len(found):
        return found
    larger = np.empty((2 * len(found), found.shape[1]), found.dtype)
    larger[:n] = found
    return larger


@compiled
def scan_long(
    row_words,
    row_units,
    n,
    keys,
    slots,
    bits,
    first,
    unit_of,
    place_of,
    length_of,
    anchor_of,
    exact_on,
    ngram_on,
    least,
    found,
):
    """Find items of n words or more.

    Args:
        row_words: (data, starts, ends, hashes, texts) of the rows.
        row_units: (data, starts, ends, texts) of the items' texts.
        n: words of an n-gram.
        keys: (g,) hashes of the distinct n-grams.
        slots: open hash table of their places.
        bits: filter before it.
        first: (g + 1,) range of the postings of each n-gram.
        unit_of: text of each posting.
        place_of: n-gram position of each posting in its text.
        length_of: (u,) words of each text.
        anchor_of: (u,) n-gram position by which a text is recognised whole.
        exact_on: (u,) bool, report whole texts as such.
        ngram_on: (u,) bool, report the others.
        least: (u,) fewest words in shared n-grams that are reported.
        found: (c, 6) int64 to start with: row, unit, tier, words of the item in shared n-grams, first word and number
            of words of the evidence.

    Returns:
        ``found``, perhaps larger, and how many of its lines are filled.
    """
    data, starts, ends, hashes, texts = row_words
    item_data, item_starts, item_ends, item_first = row_units
    posting_seen = np.full(len(unit_of), -1, np.int64)
    word_seen = np.full(len(item_starts), -1, np.int64)
    unit_seen = np.full(len(length_of), -1, np.int64)
    count = np.zeros(len(length_of), np.int64)
    exact_at = np.zeros(len(length_of), np.int64)
    run_word = np.zeros(len(length_of), np.int64)
    run_place = np.zeros(len(length_of), np.int64)
    run = np.zeros(len(length_of), np.int64)
    best = np.zeros(len(length_of), np.int64)
    best_at = np.zeros(len(length_of), np.int64)
    touched = np.empty(len(length_of), np.int64)
    top = np.uint64(1)
    for _ in range(n - 1):
        top *= BASE
    n_found = 0
    for row in range(len(texts) - 1):
        low, high = texts[row], texts[row + 1]
        if high - low < n:
            continue
        n_touched = 0
        h = np.uint64(0)
        for j in range(n - 1):
            h = h * BASE + hashes[low + j]
        for i in range(low, high - n + 1):
            h = h * BASE + hashes[i + n - 1]
            gram = _find(h, keys, slots, bits)
            h -= hashes[i] * top
            if gram < 0:
                continue
            for p in range(first[gram], first[gram + 1]):
                u, place = np.int64(unit_of[p]), np.int64(place_of[p])
                known = unit_seen[u] == row
                new = posting_seen[p] != row
                begin = i - place
                whole = place == anchor_of[u] and (not known or exact_at[u] < 0)
                whole = whole and begin >= low and begin + length_of[u] <= high
                if not new and not whole:
                    continue
                w = item_first[u] + place
                if not _same(data, starts[i], ends[i + n - 1], item_data, item_starts[w], item_ends[w + n - 1]):
                    continue
                if not known:
                    unit_seen[u] = row
                    count[u] = 0
                    exact_at[u] = -1
                    run[u] = 0
                    best[u] = 0
                    touched[n_touched] = u
                    n_touched += 1
                if new:
                    posting_seen[p] = row
                    for j in range(w, w + n):
                        if word_seen[j] != row:
                            word_seen[j] = row
                            count[u] += 1
                    if run[u] > 0 and run_word[u] == i - 1 and run_place[u] == place - 1:
                        run[u] += 1
                    else:
                        run[u] = 1
                    run_word[u] = i
                    run_place[u] = place
                    if run[u] > best[u]:
                        best[u] = run[u]
                        best_at[u] = i - run[u] + 1
                if whole:
                    last = length_of[u] - 1
                    v = item_first[u]
                    if _same(data, starts[begin], ends[begin + last], item_data, item_starts[v], item_ends[v + last]):
                        exact_at[u] = begin
        for t in range(n_touched):
            u = touched[t]
            if exact_on[u] and exact_at[u] >= 0:
                found = _room(found, n_found)
                found[n_found] = (row, u, EXACT, count[u], exact_at[u], length_of[u])
                n_found += 1
            elif ngram_on[u] and count[u] >= least[u]:
                found = _room(found, n_found)
                found[n_found] = (row, u, NGRAM, count[u], best_at[u], best[u] + n - 1)
                n_found += 1
    return found, n_found


@compiled
def scan_short(
    row_words, opens, row_units, n, keys, slots, bits, first, unit_of, length_of, alone_on, inside_on, found
):
    """Find items of fewer words whole: by their first ``n`` words, then all of them.

    Args:
        row_words: (data, starts, ends, hashes, texts) of the rows.
        opens: (w,) bool of the rows' words.
        row_units: (data, starts, ends, texts) of the items' texts.
        n: words that are looked up.
        keys: (g,) hashes of the distinct openings.
        slots: open hash table of their places.
        bits: filter before it.
        first: (g + 1,) range of the postings of each opening.
        unit_of: text of each posting.
        length_of: (u,) words of each text.
        alone_on: (u,) bool, report the text where it fills whole lines (tier exact).
        inside_on: (u,) bool, report it anywhere else (tier ngram).
        found: as in ``scan_long``.

    Returns:
        ``found``, perhaps larger, and how many of its lines are filled.
    """
    data, starts, ends, hashes, texts = row_words
    item_data, item_starts, item_ends, item_first = row_units
    unit_seen = np.full(len(length_of), -1, np.int64)
    line = np.zeros(len(length_of), np.int64)
    top = np.uint64(1)
    for _ in range(n - 1):
        top *= BASE
    n_found = 0
    for row in range(len(texts) - 1):
        low, high = texts[row], texts[row + 1]
        if high - low < n:
            continue
        h = np.uint64(0)
        for j in range(n - 1):
            h = h * BASE + hashes[low + j]
        for i in range(low, high - n + 1):
            h = h * BASE + hashes[i + n - 1]
            gram = _find(h, keys, slots, bits)
            h -= hashes[i] * top
            if gram < 0:
                continue
            for p in range(first[gram], first[gram + 1]):
                u = np.int64(unit_of[p])
                stop = i + length_of[u]
                known = unit_seen[u] == row
                if stop > high or (known and found[line[u], 2] == EXACT):
                    continue
                alone = alone_on[u] and opens[i] and (stop == high or opens[stop])
                if not alone and (known or not inside_on[u]):
                    continue
                w = item_first[u]
                if not _same(data, starts[i], ends[stop - 1], item_data, item_starts[w], item_ends[w + stop - i - 1]):
                    continue
                if not known:
                    unit_seen[u] = row
                    found = _room(found, n_found)
                    line[u] = n_found
                    n_found += 1
                found[line[u]] = (row, u, EXACT if alone else NGRAM, stop - i, i, stop - i)
    return found, n_found
