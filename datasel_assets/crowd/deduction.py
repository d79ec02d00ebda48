"""Which pairs need not be asked: equal things are equal to what either is equal to.

Belongs here: what follows from pairs that were answered, and which answers contradict each other. Does not: in which
order and in how many rounds pairs are asked (``rounds``).

Wang, Li, Kraska, Franklin and Feng, Leveraging Transitive Relations for Crowdsourced Joins (SIGMOD 2013).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Edge:
    """An answered pair: items a and b, whether they are the same, and how sure that is (0..1)."""

    a: int
    b: int
    is_same: bool
    certainty: float = 1.0


class Deduction:
    """What is known about pairs of n items; sets of equal ones with "different" edges between the sets.

    Args:
        n: items, 0..n-1.
    """

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))
        self._members: dict[int, list[int]] = {item: [item] for item in range(n)}
        self._same: dict[int, list[Edge]] = {}
        self._different: dict[int, dict[int, Edge]] = {}

    def find(self, item: int) -> int:
        """Return the item that stands for all that are equal to this one."""
        root = item
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[item] != root:
            self._parent[item], item = root, self._parent[item]
        return root

    def known(self, a: int, b: int) -> bool | None:
        """Return whether two items are the same, None where it does not follow from what was added."""
        first, second = self.find(a), self.find(b)
        if first == second:
            return True
        return False if second in self._different.get(first, {}) else None

    def add(self, edge: Edge) -> Edge | None:
        """Add an answered pair; return None, or where it contradicts what is known the weakest answer that does.

        A contradiction is a cycle of equal pairs with one different pair in it. Nothing is added then: ask the pair
        that is returned again, and build the deduction anew with the answer.
        """
        known = self.known(edge.a, edge.b)
        if known is not None and known != edge.is_same:
            return min([edge, *self.evidence(edge.a, edge.b)], key=lambda one: (one.certainty, one.a, one.b))
        if known is None and edge.is_same:
            self._unite(edge)
        elif known is None:
            first, second = self.find(edge.a), self.find(edge.b)
            self._different.setdefault(first, {})[second] = edge
            self._different.setdefault(second, {})[first] = edge
        return None

    def evidence(self, a: int, b: int) -> list[Edge]:
        """Return the answered pairs from which it follows whether two items are the same; empty where nothing does."""
        first, second = self.find(a), self.find(b)
        if first == second:
            return self._path(a, b)
        edge = self._different.get(first, {}).get(second)
        if edge is None:
            return []
        near, far = (edge.a, edge.b) if self.find(edge.a) == first else (edge.b, edge.a)
        return [*self._path(a, near), edge, *self._path(far, b)]

    def different_sets(self) -> Iterator[tuple[int, int]]:
        """Yield the sets that are known to differ, each pair once, by the items that stand for them."""
        return ((one, other) for one, others in self._different.items() for other in others if one < other)

    def sets(self) -> list[list[int]]:
        """Return the sets of equal items, each sorted, by their smallest item; single items too."""
        return sorted(sorted(members) for members in self._members.values())

    def _unite(self, edge: Edge) -> None:
        """Join two sets: the smaller one moves, with its "different" edges."""
        kept, moved = self.find(edge.a), self.find(edge.b)
        if len(self._members[kept]) < len(self._members[moved]):
            kept, moved = moved, kept
        self._parent[moved] = kept
        self._members[kept] += self._members.pop(moved)
        for other, reason in self._different.pop(moved, {}).items():
            del self._different[other][moved]
            self._different.setdefault(kept, {}).setdefault(other, reason)
            self._different[other].setdefault(kept, reason)
        self._same.setdefault(edge.a, []).append(edge)
        self._same.setdefault(edge.b, []).append(edge)

    def _path(self, a: int, b: int) -> list[Edge]:
        """Return the answered pairs that lead from one item to an equal one; they form a tree, so there is one way."""
        came: dict[int, Edge] = {}
        waiting, seen = deque([a]), {a}
        while waiting and b not in seen:
            here = waiting.popleft()
            for edge in self._same.get(here, ()):
                there = edge.b if edge.a == here else edge.a
                if there not in seen:
                    seen.add(there)
                    came[there] = edge
                    waiting.append(there)
        path, here = [], b
        while here != a:
            edge = came[here]
            path.append(edge)
            here = edge.a if edge.b == here else edge.b
        return path[::-1]
