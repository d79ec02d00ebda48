"""Ordinals against a plain dictionary, however the hashes lie, and in the memory that they promise."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.corpus.ordinals import Ordinals


def hashed(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def counted(contents: list[str]) -> list[int]:
    seen: Counter[str] = Counter()
    found = []
    for content in contents:
        found.append(seen[content])
        seen[content] += 1
    return found


@given(st.lists(st.integers(0, 200), max_size=600))
def test_ordinals_count_as_a_dictionary_does(numbers: list[int]):
    contents = [hashed(number) for number in numbers]
    ordinals = Ordinals()
    assert [ordinals.next(content) for content in contents] == counted(contents)


def test_a_content_is_known_again_after_the_table_has_grown_many_times():
    contents = [hashed(number) for number in range(30_000)]
    ordinals = Ordinals()
    assert {ordinals.next(content) for content in contents} == {0}
    assert {ordinals.next(content) for content in contents} == {1}


@pytest.mark.parametrize("start", ["ff" * 8, "00" * 8, "f7" * 8])
def test_hashes_that_begin_alike_are_told_apart_without_the_table_outgrowing_its_keys(start: str):
    contents = [f"{start}{number % 700:016x}" for number in range(2_000)]
    ordinals = Ordinals()
    assert [ordinals.next(content) for content in contents] == counted(contents)
    assert ordinals.bytes < 250_000


def test_a_distinct_content_takes_at_most_thirty_two_bytes():
    ordinals = Ordinals()
    for number in range(100_000):
        ordinals.next(hashed(number))
        if number in (49_999, 69_999, 99_999):
            assert 20 <= ordinals.bytes / (number + 1) <= 33
