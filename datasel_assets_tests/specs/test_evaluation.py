"""Evaluation files: what they accept, what they mean, how they refuse."""

import subprocess
import sys

import pytest

from datasel_assets.registry.base import RegistryError, parse, read_yaml
from datasel_assets.specs.evaluation import EvaluationSpec, OverlapRules


def test_an_evaluation_needs_only_an_address():
    spec = parse({"uri": "x.jsonl"}, EvaluationSpec)
    assert spec.tiers == spec.blocking == ("exact", "ngram")
    assert spec.overlap_rules() == OverlapRules()
    assert spec.item_options() == {"format": "auto", "columns": {}, "compare": "question", "item_column": None}


def test_each_tier_has_its_settings_and_can_be_switched_off(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(
        "uri: x.jsonl\nexact: {short_words: 3}\nngram: {n: 8, min_share: 0.3, short_words: 6}\nblocks: [exact]\n"
    )
    spec = parse(read_yaml(path), EvaluationSpec)
    assert spec.overlap_rules() == OverlapRules(n=8, min_share=0.3, line_words=3, inside_words=6)
    assert (spec.tiers, spec.blocking) == (("exact", "ngram"), ("exact",))
    off = parse({"uri": "x", "exact": False}, EvaluationSpec)
    assert (off.overlap_rules().exact, off.overlap_rules().ngram) == (False, True)
    assert off.tiers == off.blocking == ("ngram",)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "uri: this key is required"),
        ({"uri": "x", "license": "MIT"}, "did you mean 'licence'"),
        ({"uri": "x", "compare": "answer"}, "compare: 'answer' is not allowed"),
        ({"uri": "x", "ngram": {"n": 2}}, "ngram.*n: must be greater than or equal to 5"),
        ({"uri": "x", "ngram": {"m": 2}}, "ngram: the key 'm' is not known"),
        ({"uri": "x", "ngram": {"min_share": 1.5}}, "min_share: must be less than or equal to 1"),
        ({"uri": "x", "blocks": ["exat"]}, "'exat' is not allowed; did you mean 'exact'"),
        ({"uri": "x", "ngram": False, "blocks": ["ngram"]}, "the tier 'ngram' is off"),
        ({"uri": "x", "exact": False, "ngram": False}, "every tier is off: nothing would be compared"),
        ({"uri": "x", "embedding": {}}, "embedding.*representation: this key is required"),
        ({"uri": "x", "embedding": {"representation": "r", "threshold": 2}}, "less than or equal to 1"),
        ({"uri": "x", "blocks": ["embedding"]}, "the tier 'embedding' is off"),
        ({"uri": "x", "labels": "labels.txt"}, "labels: "),
        ({"uri": "x", "strip_suffix": "</s>"}, "strip_suffix has no meaning"),
        ({"uri": "x", "format": "text", "compare": "question_choices"}, "question_choices needs the format qa"),
        ({"uri": "x", "format": "qa", "columns": {"quesion": "q"}}, "did you mean 'question'"),
    ],
)
def test_an_evaluation_that_makes_no_sense_says_why(document: dict, words: str):
    with pytest.raises(RegistryError, match=words):
        parse(document, EvaluationSpec)


def test_reading_evaluation_files_does_not_load_the_compiler():
    code = "import sys, datasel_assets.specs.evaluation; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
