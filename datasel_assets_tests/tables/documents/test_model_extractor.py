"""Rows drawn out of documents by a model behind an address: both passes, replies that cannot be read, resuming."""

import json
from pathlib import Path
from typing import Any

import pytest

from datasel_assets.documents.document import Document
from datasel_assets.models.providers import ProviderError
from datasel_assets.specs.extraction import ExtractorSpec
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.documents.extractors import ModelExtractor
from datasel_assets_tests.answers.server import judge, said
from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.tables.documents.test_extractions import EXTRACTION, lay

DOCUMENTS = [Document("Adding", "What is 1 plus 1? It is 2."), Document("", "A maple is a tree.")]


def model(body: dict[str, Any], number: int):
    """Draws one row of each document that asks something; the second pass leaves it as it is."""
    prompt = body["messages"][-1]["content"]
    if " plus " not in prompt:
        return said("[]")
    rows = [{"question": "1 + 1?", "answer": "It is 2."}, {"question": "", "answer": "x"}]
    return said("Here: " + json.dumps(rows if "were drawn out" not in prompt else rows[:1]))


def extractor(tmp_path: Path, url: str, **more: Any) -> ModelExtractor:
    spec = ExtractorSpec.model_validate({"provider": {"endpoint": url, "model": "m", "tries": 1}, **more})
    (tmp_path / "sources").mkdir(exist_ok=True)
    return ModelExtractor("some", spec, open_warehouse(tmp_path, device="cpu"))


def test_rows_are_drawn_and_gone_through_once_more_and_name_their_place(tmp_path: Path):
    with judge(model) as there, extractor(tmp_path, there.url) as draw:
        (row,), none = draw(DOCUMENTS)
        assert len(there.requests) == 3
        assert draw(DOCUMENTS) == [[row], none]
        assert len(there.requests) == 3
        assert draw.facts()["replies_of_the_model"] == 3
    assert (row.prompt, row.response, row.rule, none) == ("1 + 1?", "It is 2.", "model", [])
    assert DOCUMENTS[0].text[row.start : row.stop] == "It is 2."


def test_a_reply_that_cannot_be_read_is_asked_again_and_then_counted(tmp_path: Path):
    with judge(lambda body, number: said("none, sorry")) as there, extractor(tmp_path, there.url, refine=False) as draw:
        assert draw(DOCUMENTS[:1]) == [[]]
        assert len(there.requests) == 2
        assert "could not be read" in there.requests[1]["messages"][-1]["content"]
        assert draw.unread == 1


def test_a_request_that_fails_and_a_limit_that_is_reached_stop_the_extraction(tmp_path: Path):
    with judge(lambda body, number: (400, {}, b"no")) as there, extractor(tmp_path, there.url) as draw:
        with pytest.raises(ProviderError, match="got no reply"):
            draw(DOCUMENTS)
        assert draw.facts()["replies_of_the_model"] == 0
    with judge(model) as there, extractor(tmp_path, there.url, limits={"tokens": 10}) as draw:
        with pytest.raises(ValueError, match=r"extractions/some.yaml: stopped at limits.tokens"):
            draw(DOCUMENTS)
        assert there.requests == []


def test_an_extraction_by_a_model_is_a_table_like_one_by_rules(tmp_path: Path):
    data = lay(tmp_path / "data")
    with judge(model) as there:
        extractor = {"provider": {"endpoint": there.url, "model": "m"}, "price": {"tokens_in": 1}}
        write_yaml(data / "extractions" / "some.yaml", {**EXTRACTION, "extractor": extractor})
        warehouse = open_warehouse(data, device="cpu")
        assert warehouse.registry.errors == {}
        built = make(warehouse, "extractions/some", upstream=True).built
    table = warehouse.lake.scan(("extractions", "some")).collect()
    assert table["rule"].unique().to_list() == ["model"]
    assert built.checks["spans_hold_the_rows"].passed
    assert built.metadata["cost"] == pytest.approx(50e-6 * built.metadata["replies_of_the_model"])
    assert built.metadata["replies_of_the_model"] == len(there.requests)
