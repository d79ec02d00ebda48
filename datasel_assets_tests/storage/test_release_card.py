import re

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from datasel_assets.storage.release.card import dataset_card, licence_list, size_category
from datasel_assets.storage.release.licences import HUB_LICENCES, hub_metadata, is_non_commercial, normalised
from datasel_assets.storage.release.markdown import escape, fenced, one_line
from datasel_assets.storage.release.provenance import SourceShare, public_uri, public_uris, source_shares

HOSTILE = (
    "</td><script>alert(1)</script> | cell\n---\nlicense: mit\n---\n# heading\n[x](javascript:alert(1)) "
    "![i](http://evil/p.png) `code` **bold** ~~~ <!-- \u202e rtl \x1b[31m\n- item\n1. one & two"
)


def share(**changes: object) -> SourceShare:
    facts = {"name": "alpaca", "rows": 3, "tokens": 30, "response_tokens": 20, "licence": "MIT", "uri": "a.jsonl"}
    return SourceShare(**{**facts, "doc": "hand-written", **changes})  # type: ignore[arg-type]


def facts(**changes: object) -> dict:
    return {
        "recipe": "random",
        "version": "0123456789ab",
        "rows": 3,
        "pool_rows": 12345,
        "tokens": {"total": 30, "response": 20, "longest": 12, "rows_without_count": 0},
        "data_files": ["train.jsonl", "train.parquet"],
        "spec": {"doc": "uniform", "select": {"sampler": "random", "seed": 7}},
        "not_expressible": {},
        "reproduce": "make run",
        **changes,
    }


def card(*shares: SourceShare, **changes: object) -> str:
    return dataset_card(facts(**changes), shares or (share(),), has_report=False)


def front_matter(text: str) -> dict:
    """Split as huggingface_hub does (``REGEX_YAML_BLOCK``)."""
    found = re.search(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))", text)
    assert found
    return yaml.safe_load(found.group(2))


def html(text: str) -> str:
    body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(body)


class TestFrontMatter:
    def test_it_holds_what_the_hub_reads(self):
        metadata = front_matter(card())
        assert metadata["license"] == "mit"
        assert metadata["task_categories"] == ["text-generation"]
        assert metadata["size_categories"] == ["n<1K"]
        assert metadata["configs"] == [
            {"config_name": "default", "data_files": [{"split": "train", "path": "train.parquet"}]}
        ]

    def test_huggingface_hub_accepts_the_card(self):
        from huggingface_hub import DatasetCard

        loaded = DatasetCard(card(share(licence="CC-BY-4.0"), share(name="b", doc=HOSTILE, licence=HOSTILE)))
        assert loaded.data.license == "other"
        assert loaded.data.to_dict()["license_link"] == "LICENSE.md"
        assert loaded.text.lstrip().startswith("# random 0123456789ab")

    @pytest.mark.parametrize(
        ("licences", "expected"),
        [
            (["MIT"], {"license": "mit"}),
            (["Apache 2.0", "apache-2.0"], {"license": "apache-2.0"}),
            (["GPL-3.0-only"], {"license": "gpl-3.0"}),
            ([None], {"license": "unknown"}),
            (["PSF-2.0"], {"license": "other", "license_name": "psf-2.0", "license_link": "LICENSE.md"}),
            (
                ["MIT", "CC-BY-NC-4.0"],
                {"license": "other", "license_name": "mixed-source-licences", "license_link": "LICENSE.md"},
            ),
        ],
    )
    def test_one_licence_is_named_and_several_are_listed(self, licences, expected):
        assert hub_metadata(licences) == expected

    @given(st.text(max_size=80))
    def test_any_licence_text_gives_a_plain_licence_name(self, text):
        metadata = hub_metadata([text])
        assert metadata["license"] in HUB_LICENCES | {"other"}
        assert re.fullmatch(r"[a-z0-9.+-]+", metadata.get("license_name", "x"))

    @pytest.mark.parametrize(
        ("rows", "category"),
        [(1, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "1M<n<10M"), (10**9, "n>1B")],
    )
    def test_the_size_class_follows_the_number_of_rows(self, rows, category):
        assert size_category(rows) == category


class TestText:
    def test_it_says_how_many_rows_of_how_many_and_from_where(self):
        text = card(share(rows=2), share(name="gsm", rows=1, tokens=None), rows=3)
        assert "3 rows of the 12,345 in its pool" in text
        assert "| alpaca | 2 | 66.7% | 30 | 20 | MIT | a.jsonl | hand-written |" in text
        assert "| gsm | 1 | 33.3% | n/a |" in text
        assert "sampler: random" in text
        assert "make run" in text

    def test_non_commercial_and_unknown_licences_are_called_out(self):
        text = card(share(licence="CC-BY-NC-4.0"), share(name="web", licence="unknown"), rows=6)
        assert "**Not for commercial use:** 3 rows from alpaca (CC-BY-NC-4.0)." in text
        assert "**Licence unknown:** 3 rows from web" in text

    def test_a_free_licence_raises_no_warning(self):
        assert "commercial" not in card()
        assert "Licence unknown" not in card()

    def test_rows_that_a_format_loses_are_counted(self):
        lost = {"llamafactory": {"a": ["1", "2"]}, "alpaca": {"a": ["1"], "b": ["2", "3"]}}
        text = card(not_expressible=lost)
        assert "LLaMA-Factory skips 2 rows" in text
        assert "`alpaca.json` leaves out 3 rows" in text

    @pytest.mark.parametrize(
        ("licence", "barred"),
        [
            ("CC-BY-NC-4.0", True),
            ("cc by-nc-sa 3.0", True),
            ("Non-Commercial use", True),
            ("research only", True),
            ("MIT", False),
            ("ncsa", False),
            ("CC-BY-4.0", False),
            (None, False),
        ],
    )
    def test_non_commercial_licences_are_recognised_by_name(self, licence, barred):
        assert is_non_commercial(licence) is barred

    def test_licence_names_lose_spdx_suffixes(self):
        assert normalised("LGPL-3.0-or-later") == "lgpl-3.0"

    def test_the_licence_file_lists_every_source(self):
        text = licence_list([share(), share(name="b_[c]", licence="CC-BY-4.0\n# x")])
        assert "- alpaca: MIT\n- b\\_\\[c\\]: CC-BY-4.0 \\# x\n" in text


class TestHostileText:
    @pytest.fixture
    def text(self) -> str:
        hostile = share(name=HOSTILE, doc=HOSTILE, licence=HOSTILE, uri=HOSTILE)
        return card(hostile, share(), spec={"doc": HOSTILE, "x": "```\n<script>\n```"}, reproduce="x\n```\n<b>", rows=6)

    def test_front_matter_has_only_our_keys(self, text):
        metadata = front_matter(text)
        assert metadata["license"] == "other"
        assert set(metadata) == {
            "license",
            "license_name",
            "license_link",
            "license_details",
            "task_categories",
            "size_categories",
            "tags",
            "pretty_name",
            "configs",
        }

    def test_no_markup_of_a_source_reaches_the_page(self, text):
        page = html(text)
        for tag in ("<script", "<img", "<a ", "<em", "<del", "<hr", "<b>", "<!--"):
            assert tag not in page
        assert page.count("<h1>") == 1
        assert page.count("<table>") == 1
        assert page.count("<tr>") == 3  # head and two sources: no cell or row was broken
        assert page.count("<td") == 16
        assert "\u202e" not in page
        assert "\x1b" not in page

    def test_the_words_themselves_can_still_be_read(self, text):
        assert "alert(1)" in html(text)

    @given(st.text(max_size=60))
    def test_escaped_text_renders_as_the_same_words(self, text):
        page = html(f"x {escape(text)}")
        shown = re.fullmatch(r"<p>x ?(.*)</p>\n", page, re.DOTALL)
        assert shown
        plain = shown.group(1)
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
            plain = plain.replace(entity, character)
        assert plain == one_line(text)

    @given(st.text(st.sampled_from("`\nab"), max_size=20))
    def test_a_code_block_cannot_be_left(self, text):
        page = html(fenced(text, "yaml") + "\n\nafter")
        assert page.endswith("</code></pre>\n<p>after</p>\n")
        assert page.count("<pre>") == 1

    def test_long_text_is_cut(self):
        assert one_line("a" * 1000, 10) == "a" * 9 + "…"


class TestProvenance:
    @pytest.mark.parametrize(
        ("uri", "public"),
        [
            ("https://user:secret@host:8443/a/b.json?token=1#x", "https://host:8443/a/b.json"),
            ("s3://key:secret@bucket/x.parquet", "s3://bucket/x.parquet"),
            ("hf://datasets/owner/name/f.parquet", "hf://datasets/owner/name/f.parquet"),
            ("/home/alice/private/f.jsonl", "f.jsonl"),
            ("~/f.jsonl", "f.jsonl"),
            ("file:///home/alice/f.jsonl", "f.jsonl"),
            ("C:\\Users\\alice\\f.jsonl", "f.jsonl"),
            ("../shared/f.jsonl", "../shared/f.jsonl"),
            ("arithmetic:?rows=20&seed=0", "arithmetic:?rows=20&seed=0"),
            ("", ""),
        ],
    )
    def test_credentials_and_home_folders_do_not_leave_the_machine(self, uri, public):
        assert public_uri(uri) == public

    @pytest.mark.parametrize("uris", ["/a/x.json, https://u:p@h/y.json", ["/a/x.json", "https://u:p@h/y.json"]])
    def test_each_of_several_uris_is_made_public(self, uris):
        assert public_uris(uris) == "x.json, https://h/y.json"

    def test_shares_add_up_and_missing_counts_are_not_zero(self):
        rows = pl.DataFrame(
            {
                "source": ["b", "a", "b", "c"],
                "n_tokens": pl.Series([5, 7, None, None], dtype=pl.Int32),
                "n_response_tokens": pl.Series([1, 2, 3, None], dtype=pl.Int32),
            }
        )
        sources = {"a": {"licence": "MIT", "uri": "/x/a.json", "doc": " d "}, "b": {"licence": None}}
        assert source_shares(rows, sources) == [
            SourceShare("b", 2, 5, 4, "unknown", "", ""),
            SourceShare("a", 1, 7, 2, "MIT", "a.json", "d"),
            SourceShare("c", 1, None, None, "unknown", "", ""),
        ]
