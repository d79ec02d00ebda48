"""Hashes against their definition; ids that survive re-ordering; samples that nest."""

import hashlib
import json
import re
import unicodedata
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.corpus import content_hash, row_id
from datasel_assets.corpus.identity import normalise
from datasel_assets.corpus.ordinals import Ordinals

text = st.text(st.characters(codec="utf-8"), max_size=12)
messages = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), text), min_size=1, max_size=3)


@given(messages)
def test_the_content_hash_is_the_one_of_its_definition(conversation: list[tuple[str, str]]):
    def plain(content: str) -> str:
        return re.sub(r"\s+", " ", unicodedata.normalize("NFC", content)).strip()

    document = json.dumps([[role, plain(t)] for role, t in conversation], ensure_ascii=False, separators=(",", ":"))
    expected = hashlib.blake2b(document.encode("utf-8"), digest_size=16).hexdigest()
    assert content_hash(conversation) == expected


def test_the_content_hash_does_not_change_between_releases():
    assert content_hash([("user", "Hello"), ("assistant", "Hi")]) == "72c54ac86c2257e3ec7e685f79763989"
    assert row_id("alpaca", "0" * 32, 0) == "a5ea4c083f61491eb5cf567cdb286c81"


def test_what_stands_beside_the_messages_makes_a_difference_only_where_it_is_there():
    base = [("user", "Q"), ("assistant", "A"), ("user", "R"), ("assistant", "B")]
    assert content_hash(base, None, (), ()) == content_hash(base)
    others = [
        content_hash(base),
        content_hash(base, tools='[{"name": "f"}]'),
        content_hash(base, untrained=(1,)),
        content_hash(base, images=("a.png",)),
        content_hash(base, images=("a.png", "b.png")),
    ]
    assert len(set(others)) == 5
    assert content_hash(base, '[{"a": 1, "name": "f"}]') == content_hash(base, '[{"name": "f",  "a": 1}]')


def test_whitespace_and_composition_do_not_make_a_difference_but_case_role_and_borders_do():
    base = content_hash([("user", "Café au lait"), ("assistant", "b")])
    assert base == content_hash([("user", " Cafe\u0301  au\n\u00a0lait\t"), ("assistant", "b")])
    others = [
        [("user", "café au lait"), ("assistant", "b")],
        [("assistant", "Café au lait"), ("user", "b")],
        [("user", "Café au lait b")],
        [("user", "Café"), ("assistant", "au lait b")],
        [("user", "Café au lait"), ("assistant", "b"), ("user", "")],
    ]
    assert len({base, *map(content_hash, others)}) == 6


def test_separators_inside_a_text_cannot_imitate_messages():
    assert content_hash([("user", 'a"],["assistant","b')]) != content_hash([("user", "a"), ("assistant", "b")])


@given(st.lists(messages, max_size=12), st.randoms())
def test_ids_survive_permuting_and_appending(rows: list, random):
    def ids(conversations: list) -> list[str]:
        ordinals = Ordinals()
        hashes = [content_hash(conversation) for conversation in conversations]
        return [row_id("s", content, ordinals.next(content)) for content in hashes]

    before = ids(rows)
    assert len(set(before)) == len(rows)
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert Counter(ids(shuffled)) == Counter(before)
    assert ids(rows + shuffled)[: len(rows)] == before


def test_equal_rows_of_one_source_and_of_two_have_different_ids():
    content = content_hash([("user", "x")])
    assert len({row_id("a", content, 0), row_id("a", content, 1), row_id("b", content, 0)}) == 3


def test_normalise_collapses_every_kind_of_whitespace():
    assert normalise("\u2003a\r\n\t b\u3000") == "a b"


names = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), unique=True, max_size=30)
