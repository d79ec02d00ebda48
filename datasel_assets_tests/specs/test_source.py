"""Source files: what they accept and how they refuse."""

import typing

import pytest
from pydantic import ValidationError

from datasel_assets.formats import FORMATS
from datasel_assets.registry.base import RegistryError, parse
from datasel_assets.specs.source import Format, SourceSpec


def test_the_formats_that_a_file_may_name_are_the_formats_there_are():
    assert set(typing.get_args(Format)) == {"auto", *FORMATS}


def test_a_source_needs_only_an_address():
    spec = SourceSpec(uri="a.jsonl")
    assert spec.uris == ("a.jsonl",)
    assert (spec.format, spec.max_quarantined_share, spec.limits.file_bytes) == ("auto", 0.2, 8 << 30)


def test_addresses_keep_their_order():
    assert SourceSpec(uri=["b", "a"]).uris == ("b", "a")


@pytest.mark.parametrize("uri", ["", [], [""], None])
def test_an_empty_address_is_refused(uri):
    with pytest.raises(ValidationError):
        SourceSpec(uri=uri)


def test_a_column_of_another_format_is_refused_with_the_fields_there_are():
    with pytest.raises(
        RegistryError, match=r"columns: 'respons' is not a field of format alpaca; did you mean 'response'"
    ):
        parse({"uri": "x", "format": "alpaca", "columns": {"respons": "y"}}, SourceSpec)


def test_columns_that_no_single_format_has_together_are_refused():
    with pytest.raises(RegistryError, match="no format has all of the fields question, transcript"):
        parse({"uri": "x", "columns": {"question": "q", "transcript": "r"}}, SourceSpec)


def test_a_misspelt_key_names_the_right_one():
    with pytest.raises(RegistryError, match=r"'license' is not known; did you mean 'licence'\?"):
        parse({"uri": "x", "license": "MIT"}, SourceSpec)
    with pytest.raises(RegistryError, match="limits: the key 'row_char' is not known; did you mean 'row_chars'"):
        parse({"uri": "x", "limits": {"row_char": 3}}, SourceSpec)


@pytest.mark.parametrize("share", [-0.1, 1.1, "many"])
def test_the_share_of_quarantined_rows_is_a_share(share):
    with pytest.raises(RegistryError, match="max_quarantined_share"):
        parse({"uri": "x", "max_quarantined_share": share}, SourceSpec)
