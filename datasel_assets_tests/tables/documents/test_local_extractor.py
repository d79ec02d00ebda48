"""Rows drawn out of documents by a model of this process: one that can write nothing but its one reply."""

from pathlib import Path

import pytest

from datasel_assets.documents.document import Document
from datasel_assets.registry.load import load_registry
from datasel_assets.specs.extraction import ExtractorSpec
from datasel_assets.tables import open_warehouse
from datasel_assets.tables.documents.extractors import ModelExtractor
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.models.test_causal_lm import byte_tokenizer
from datasel_assets_tests.pools import CAUSAL, TINY, small_pool, write_yaml
from datasel_assets_tests.tables.documents.test_extractions import EXTRACTION

REPLY = '[{"question": "How much is 1 plus 1?", "answer": "It is 2."}]'
DOCUMENT = Document("Adding", "What is 1 plus 1? It is 2.")


def parrot(folder: Path, reply: str) -> str:
    """Save a model that writes ``reply`` as one token, and then ends.

    A state is the direction of its last token alone, because attention and feed-forward add nothing: every token but
    the reply points to the reply, and the reply to the end.
    """
    import torch
    from transformers import AddedToken, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    byte_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken(reply, normalized=False), AddedToken("<end>", special=True)])
    tokenizer.save_pretrained(folder)
    said, end = tokenizer.convert_tokens_to_ids([reply, "<end>"])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        intermediate_size=4,
        max_position_embeddings=8192,
        bos_token_id=None,
        eos_token_id=end,
    )
    model = LlamaForCausalLM(config)
    forward, stop = torch.eye(4)[0], torch.eye(4)[1]
    with torch.no_grad():
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight[:] = forward
        model.model.embed_tokens.weight[[said, end]] = stop
        model.lm_head.weight.zero_()
        model.lm_head.weight[said] = forward
        model.lm_head.weight[end] = stop
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = small_pool(tmp_path_factory.mktemp("local") / "data", n=4)
    for name, reply in (("draws", REPLY), ("chats", "I found none, sorry.")):
        causal = {"model": parrot(tmp_path_factory.mktemp(name), reply), "precision": "float32"}
        write_yaml(data / "language_models" / f"{name}.yaml", {"causal": causal, "contexts": ["prompt"]})
    return data


def extractor(data: Path, model: str, **more: object) -> ModelExtractor:
    spec = ExtractorSpec.model_validate({"provider": {"local": model}, "max_reply_tokens": 16, **more})
    return ModelExtractor(model, spec, open_warehouse(data, device="cpu"))


def test_a_model_of_this_process_draws_rows_and_is_not_asked_twice(data: Path):
    with extractor(data, "draws") as draw:
        ((row,),) = draw([DOCUMENT])
        assert draw.facts()["replies_of_the_model"] == 2, "both passes"
    assert (row.prompt, row.response, row.rule) == ("How much is 1 plus 1?", "It is 2.", "model")
    assert DOCUMENT.text[row.start : row.stop] == "It is 2."
    with extractor(data, "draws") as again:
        assert again([DOCUMENT]) == [[row]]
        assert again.facts()["replies_of_the_model"] == 2
        assert again._provider is None, "no model is loaded for what is kept"


def test_what_it_writes_beside_the_form_gives_no_rows_and_is_counted(data: Path):
    with extractor(data, "chats", again=0) as draw:
        assert draw([DOCUMENT]) == [[]]
        assert draw.unread == 1


def test_another_model_makes_the_rows_anew(data: Path):
    versions = set()
    write_yaml(data / "documents" / "books.yaml", {"uri": "files/*.md"})
    write_yaml(data / "documents" / "pages.yaml", {"uri": "files/*.txt"})
    for model in ("draws", "chats"):
        write_yaml(data / "extractions" / "some.yaml", {**EXTRACTION, "extractor": {"provider": {"local": model}}})
        warehouse = open_warehouse(data, device="cpu")
        assert warehouse.registry.errors == {}
        table = next(table for table in all_tables(warehouse.registry) if table.key == ("extractions", "some"))
        assert table.expect is not None
        versions.add(table.expect(warehouse, None).inputs["model"])
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("model", "message"), [("absent", "absent"), ("proxy_lm", "is trained on the pool, which the rows become part of")]
)
def test_a_model_that_is_absent_or_made_from_the_pool_is_refused(data: Path, model: str, message: str):
    write_yaml(data / "language_models" / "proxy_lm.yaml", {"causal": CAUSAL, "proxy": TINY})
    write_yaml(data / "extractions" / "some.yaml", {**EXTRACTION, "extractor": {"provider": {"local": model}}})
    assert message in load_registry(data).errors["extractions/some.yaml"]
