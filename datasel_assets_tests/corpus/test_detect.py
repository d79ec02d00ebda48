"""Which format is chosen, and what the evidence says."""

import pytest

from datasel_assets.corpus import Detection, FormatError, detect_format

ALPACA = {"instruction": "Q", "input": "", "output": "A"}


def test_the_evidence_names_columns_and_counts():
    found = detect_format([ALPACA] * 9 + [{**ALPACA, "output": None}])
    assert found == Detection(
        "alpaca",
        {"instruction": "instruction", "input": "input", "response": "output"},
        "alpaca: instruction = 'instruction', input = 'input', response = 'output', in 9 of 10 sampled rows",
    )


def test_a_rendered_text_column_does_not_win_over_the_fields_it_was_made_from():
    assert detect_format([{**ALPACA, "text": "Q A"}, {**ALPACA, "output": None, "text": "Q"}]).format == "alpaca"


def test_columns_that_appear_only_in_some_records_are_found():
    assert detect_format([{"instruction": "Q", "output": "A"}, {**ALPACA, "system": "S"}]).columns["system"] == "system"


def test_the_schema_of_most_records_wins():
    chat = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    assert detect_format([ALPACA] + [chat] * 3).format == "messages"
    assert detect_format([ALPACA] * 3 + [chat]).format == "alpaca"


def test_empty_lists_and_nulls_tell_nothing_about_a_column():
    chat = {"messages": [{"role": "user", "content": "Q"}]}
    assert detect_format([{"messages": []}, {"messages": None}, chat]).format == "messages"


def test_named_columns_decide_the_format_and_are_used():
    found = detect_format([{"ask": "Q", "reply": "A", "text": "T"}], columns={"prompt": "ask", "response": "reply"})
    assert (found.format, found.columns) == ("prompt_completion", {"prompt": "ask", "response": "reply"})
    found = detect_format([{"instruction": "Q", "raw": "A"}], columns={"response": "raw"})
    assert (found.format, found.columns) == ("alpaca", {"response": "raw", "instruction": "instruction"})


def test_a_format_that_is_set_is_not_questioned_but_its_columns_are_found():
    found = detect_format([ALPACA], "prompt_completion")
    assert (found.format, found.columns) == ("prompt_completion", {"prompt": "input", "response": "output"})
    assert "set in the registry file" in found.evidence


def test_prompts_without_answers_are_detected_and_the_evidence_says_so():
    found = detect_format([{"instruction": "Q", "score": 0.5}])
    assert found.format == "alpaca"
    assert found.evidence.endswith("no column holds the response")


@pytest.mark.parametrize("record", [{}, {"left": "a", "right": "b"}, {"": "x"}, {"turns": ["only", "questions"]}])
def test_columns_that_fit_nothing_are_named_with_what_to_write(record: dict):
    with pytest.raises(FormatError, match=r"cannot tell the schema from the columns .*columns: \{prompt: <column>"):
        detect_format([record])
