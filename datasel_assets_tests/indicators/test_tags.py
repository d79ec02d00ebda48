"""Scores made of tags: their columns, and the count itself."""

import numpy as np

from datasel_assets.indicators.tags import tag_indicators, tags_file


def test_every_file_of_tags_has_one_column_that_leads_back_to_it():
    names = ["phrases", "topics", "word_count"]
    family = tag_indicators(names)
    assert list(family) == ["phrases_count", "topics_count", "word_count_count"]
    assert [tags_file(column) for column in family] == names
    assert [indicator.columns for indicator in family.values()] == [(column,) for column in family]


def test_the_score_is_the_number_of_tags_and_what_is_not_known_stays_so():
    found = tag_indicators(["phrases"])["phrases_count"](np.array([0.0, 3.0, np.nan]))
    np.testing.assert_array_equal(found, [0.0, 3.0, np.nan])
