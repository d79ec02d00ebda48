"""Compiled loops over the words of texts. Import it inside functions only: it loads numba (about half a second).

Belongs here: loops over flat numbers and row offsets. Does not: frames, strings, metadata. Every loop goes through the
rows one by one with scratch memory that it leaves clean, so a row's value does not depend on the other rows.
"""

import math

import numpy as np

from datasel_assets.compiled import compiled


@compiled
def longest_run(ids, offsets):
    """Return the length of the longest run of one value in each row, int64 (n,)."""
    n = len(offsets) - 1
    longest = np.zeros(n, np.int64)
    for row in range(n):
        run = 0
        for place in range(offsets[row], offsets[row + 1]):
            run = run + 1 if run > 0 and ids[place] == ids[place - 1] else 1
            longest[row] = max(longest[row], run)
    return longest


@compiled
def segment_ttr(ids, offsets, size, window):
    """Return the mean type-token ratio of the full disjoint segments of each row, float64 (n,)."""
    n = len(offsets) - 1
    found = np.full(n, np.nan)
    seen = np.full(size, -1, np.int64)
    stamp = 0
    for row in range(n):
        segments = (offsets[row + 1] - offsets[row]) // window
        types = 0
        for segment in range(segments):
            begin = offsets[row] + segment * window
            stamp += 1
            for place in range(begin, begin + window):
                if seen[ids[place]] != stamp:
                    seen[ids[place]] = stamp
                    types += 1
        if segments > 0:
            found[row] = types / window / segments
    return found


@compiled
def moving_ttr(ids, offsets, size, window):
    """Return the mean type-token ratio of all windows of each row, float64 (n,)."""
    n = len(offsets) - 1
    found = np.full(n, np.nan)
    counts = np.zeros(size, np.int64)
    for row in range(n):
        begin, end = offsets[row], offsets[row + 1]
        if end - begin < window:
            continue
        types, total = 0, 0
        for place in range(begin, end):
            counts[ids[place]] += 1
            types += counts[ids[place]] == 1
            if place - begin >= window:
                leaving = ids[place - window]
                counts[leaving] -= 1
                types -= counts[leaving] == 0
            if place - begin >= window - 1:
                total += types
        for place in range(end - window, end):
            counts[ids[place]] = 0
        found[row] = total / window / (end - begin - window + 1)
    return found


@compiled
def _factors(ids, begin, end, step, seen, stamp, threshold):
    """Count the factors from ``begin`` up to, not including, ``end``; return them and the last stamp used."""
    factors, types, length = 0.0, 0, 0
    place = begin
    while place != end:
        length += 1
        if seen[ids[place]] != stamp:
            seen[ids[place]] = stamp
            types += 1
        if types / length <= threshold:
            factors += 1.0
            types, length = 0, 0
            stamp += 1
        place += step
    if length > 0:
        factors += (1 - types / length) / (1 - threshold)
    return factors, stamp


@compiled
def mtld(ids, offsets, size, threshold):
    """Return the mean of forward and backward words per factor of each row, float64 (n,)."""
    n = len(offsets) - 1
    found = np.full(n, np.nan)
    seen = np.full(size, -1, np.int64)
    stamp = 0
    for row in range(n):
        begin, end = offsets[row], offsets[row + 1]
        if begin == end:
            continue
        forward, stamp = _factors(ids, begin, end, 1, seen, stamp + 1, threshold)
        backward, stamp = _factors(ids, end - 1, begin - 1, -1, seen, stamp + 1, threshold)
        # Without any factor all words are distinct: the whole text counts as one.
        if forward == 0.0:
            forward = backward = 1.0
        found[row] = ((end - begin) / forward + (end - begin) / backward) / 2
    return found


@compiled
def mtld_wrap(ids, offsets, size, threshold, shortest):
    """Return the mean length of the factors that begin at each word of a row, read in a circle, float64 (n,)."""
    n = len(offsets) - 1
    found = np.full(n, np.nan)
    seen = np.full(size, -1, np.int64)
    stamp = 0
    for row in range(n):
        begin, words = offsets[row], offsets[row + 1] - offsets[row]
        if words == 0:
            continue
        stamp += 1
        distinct = 0
        for place in range(begin, begin + words):
            if seen[ids[place]] != stamp:
                seen[ids[place]] = stamp
                distinct += 1
        if distinct == words:
            found[row] = words
            continue
        total = 0.0
        for start in range(words):
            stamp += 1
            types, length, closed = 0, 0, False
            while length < words and not closed:
                place = start + length
                word = ids[begin + (place if place < words else place - words)]
                length += 1
                if seen[word] != stamp:
                    seen[word] = stamp
                    types += 1
                closed = length >= shortest and types / length <= threshold
            total += length if closed else words * (1 - threshold) / (1 - distinct / words)
        found[row] = total / words
    return found


@compiled
def _frequencies(ids, begin, end, counts, buffer):
    """Write the counts of a row's distinct values into ``buffer`` in order of first occurrence; return how many."""
    types = 0
    for place in range(begin, end):
        counts[ids[place]] += 1
    for place in range(begin, end):
        if counts[ids[place]] > 0:
            buffer[types] = counts[ids[place]]
            counts[ids[place]] = 0
            types += 1
    return types


@compiled
def _expected_ttr(frequencies, types, words, draws, absent):
    """Return the expected type-token ratio of ``draws`` words drawn without replacement.

    ``absent`` is scratch: absent[f], the chance that a word of frequency f is not drawn, is
    C(N-f, draws) / C(N, draws) = product over i < f of (N - draws - i) / (N - i).
    """
    top = 0
    for k in range(types):
        top = max(top, frequencies[k])
    absent[0] = 1.0
    for i in range(top):
        absent[i + 1] = absent[i] * max(words - draws - i, 0) / (words - i)
    total = 0.0
    for k in range(types):
        total += 1.0 - absent[frequencies[k]]
    return total / draws


@compiled
def hdd(ids, offsets, size, draws):
    """Return the expected type-token ratio of ``draws`` words of each row, float64 (n,)."""
    n = len(offsets) - 1
    found = np.full(n, np.nan)
    counts = np.zeros(size, np.int64)
    longest = 0
    for row in range(n):
        longest = max(longest, offsets[row + 1] - offsets[row])
    buffer, absent = np.zeros(longest, np.int64), np.zeros(longest + 1)
    for row in range(n):
        words = offsets[row + 1] - offsets[row]
        if words >= draws:
            types = _frequencies(ids, offsets[row], offsets[row + 1], counts, buffer)
            found[row] = min(_expected_ttr(buffer, types, words, draws, absent), 1.0)
    return found


@compiled
def vocd(ids, offsets, size, smallest, largest):
    """Return D of the least-squares curve through the expected type-token ratios of each row, float64 (n,)."""
    n = len(offsets) - 1
    found = np.full(n, np.nan)
    counts = np.zeros(size, np.int64)
    longest = 0
    for row in range(n):
        longest = max(longest, offsets[row + 1] - offsets[row])
    buffer, absent = np.zeros(longest, np.int64), np.zeros(longest + 1)
    target = np.zeros(largest - smallest + 1)
    for row in range(n):
        words = offsets[row + 1] - offsets[row]
        if words < largest:
            continue
        types = _frequencies(ids, offsets[row], offsets[row + 1], counts, buffer)
        if types == words:
            continue
        for k in range(len(target)):
            target[k] = _expected_ttr(buffer, types, words, smallest + k, absent)
        # Gauss-Newton for log D, from the D that one size gives alone: the curve is smooth and the misfit small.
        middle = (smallest + largest) / 2
        height = target[len(target) // 2]
        log_d = math.log(middle * height * height / (2 * (1 - height)))
        for _ in range(100):
            d = math.exp(log_d)
            slope2, slope_misfit = 0.0, 0.0
            for k in range(len(target)):
                size_k = smallest + k
                root = math.sqrt(1 + 2 * size_k / d)
                value = d / size_k * (root - 1)
                slope = value - 1 / root
                slope2 += slope * slope
                slope_misfit += slope * (target[k] - value)
            step = slope_misfit / slope2
            log_d += min(max(step, -1.0), 1.0)
            if abs(step) < 1e-13:
                break
        found[row] = math.exp(log_d)
    return found


@compiled
def bayes_scores(stream, offsets, step, row_of, feature, weights, prior):
    """Return prior + sum over features of log(1 + count) weight for each row of bytes, float64 (n, labels)."""
    n, labels = len(offsets) - 1, len(prior)
    scores = np.zeros((n, labels))
    counts = np.zeros(len(weights), np.int64)
    touched = np.zeros(len(weights), np.int64)
    for row in range(n):
        state, used = 0, 0
        for place in range(offsets[row], offsets[row + 1]):
            state = step[row_of[state], stream[place]]
            announced = feature[state]
            if announced >= 0:
                if counts[announced] == 0:
                    touched[used] = announced
                    used += 1
                counts[announced] += 1
        if used > 0:
            for label in range(labels):
                scores[row, label] = prior[label]
        for k in range(used):
            factor = math.log1p(counts[touched[k]])
            counts[touched[k]] = 0
            for label in range(labels):
                scores[row, label] += factor * weights[touched[k], label]
    return scores


@compiled
def breaks(letters, offsets, child, points):
    """Count the places where the patterns of a trie let words break, int64 (n,).

    Args:
        letters: letters of the words, each between two points, as columns of ``child``.
        offsets: int64 (n + 1,), where each word begins and ends in ``letters``.
        child: (nodes, letters), the node that a letter leads to; 0, the root, where none does.
        points: (nodes, longest pattern + 1), the values of a node's pattern before, between and after its letters.
    """
    found = np.zeros(len(offsets) - 1, np.int64)
    for word in range(len(found)):
        begin, end = offsets[word], offsets[word + 1]
        highest = np.zeros(end - begin + 1, points.dtype)
        for start in range(begin, end - 1):
            node = 0
            for place in range(start, end):
                node = child[node, letters[place]]
                if node == 0:
                    break
                for k in range(place - start + 2):
                    highest[start - begin + k] = max(highest[start - begin + k], points[node, k])
        for place in range(3, end - begin - 2):
            found[word] += highest[place] & 1
    return found
