import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from datasel_assets.models import resolve
from datasel_assets.models.resolve import (
    MINILM,
    Bundle,
    ModelIntegrityError,
    ModelNotFoundError,
    find_model,
    resolve_model,
)
from datasel_assets.specs.encoder import DEFAULT_MODEL


@pytest.fixture
def hub(monkeypatch) -> list[tuple[str, str | None]]:
    """Replaces the hub by one that is out of reach, and lists what was asked of it."""
    asked = []

    def unreachable(name: str, revision: str | None) -> Path:
        asked.append((name, revision))
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(resolve, "_hub_folder", unreachable)
    monkeypatch.setattr(resolve, "_hub_listing", unreachable)
    return asked


def fake_folder(path: Path, weights: str = "model.safetensors") -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / weights).write_bytes(b"weights")
    return path


def test_the_default_model_is_the_bundled_one_and_its_weights_are_the_published_ones(hub):
    found = resolve_model(DEFAULT_MODEL)
    assert (found.origin, found.sha256) == ("bundled", MINILM.sha256)
    assert (found.path / "tokenizer.json").is_file()
    assert hub == []


def test_bundled_weights_with_another_hash_are_refused(monkeypatch):
    wrong = Bundle(MINILM.package, MINILM.folder, "0" * 64)
    monkeypatch.setitem(resolve.BUNDLED, "damaged", wrong)
    for _ in range(2):  # also when asked again in the same process
        with pytest.raises(ModelIntegrityError, match="damaged or was replaced"):
            resolve_model("damaged")


def test_bundled_weights_that_are_gone_are_named(monkeypatch):
    monkeypatch.setitem(resolve.BUNDLED, "gone", Bundle(MINILM.package, "nowhere", MINILM.sha256))
    with pytest.raises(ModelIntegrityError, match=r"nowhere.*missing"):
        resolve_model("gone")


def test_a_revision_is_asked_of_the_hub_because_the_bundle_has_none(hub):
    with pytest.raises(ModelNotFoundError, match="has no revisions, and 'v2'"):
        resolve_model(DEFAULT_MODEL, "v2")
    assert hub == [(DEFAULT_MODEL, "v2")]


def test_a_local_folder_comes_before_the_bundle_and_the_hub(tmp_path, hub):
    fake_folder(tmp_path / DEFAULT_MODEL)
    found = resolve_model(DEFAULT_MODEL, base=tmp_path)
    assert (found.origin, found.path) == ("local", tmp_path / DEFAULT_MODEL)
    assert hub == []


def test_a_missing_model_lists_what_was_tried(tmp_path, hub):
    with pytest.raises(ModelNotFoundError) as caught:
        resolve_model("owner/absent", base=tmp_path)
    message = str(caught.value)
    assert f"local folder {tmp_path}/owner/absent: absent" in message
    assert "bundled copies: only" in message
    assert "hub and its cache: no route to the hub" in message


def test_something_that_looks_like_a_path_is_never_asked_of_the_hub(tmp_path, hub):
    with pytest.raises(ModelNotFoundError, match="absent"):
        resolve_model("./absent", base=tmp_path)
    assert hub == []


def test_a_model_is_looked_up_where_it_would_be_taken_from(tmp_path, hub, monkeypatch):
    fake_folder(tmp_path / "m")
    assert find_model("m", base=tmp_path) == "local"
    assert find_model(DEFAULT_MODEL) == "bundled"
    assert hub == []
    with pytest.raises(ModelNotFoundError, match="no route to the hub"):
        find_model("owner/absent", "v2", base=tmp_path)
    assert hub == [("owner/absent", "v2")]
    monkeypatch.setattr(resolve, "_hub_listing", lambda name, revision: ["config.json", "model-1-of-2.safetensors"])
    assert find_model("owner/present", base=tmp_path) == "hub"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["config.json", "pytorch_model.bin", "onnx/x.safetensors"], "Pickled weights"),
        (["model.safetensors"], "no config.json"),
    ],
)
def test_a_repository_that_is_no_usable_model_is_refused_before_it_is_downloaded(tmp_path, monkeypatch, files, words):
    monkeypatch.setattr(resolve, "_hub_listing", lambda name, revision: files)
    with pytest.raises(ModelNotFoundError, match=words):
        find_model("owner/model", base=tmp_path)


def test_the_files_of_a_hub_model_are_asked_of_the_hub_and_of_the_cache_where_it_is_silent(tmp_path, monkeypatch):
    import huggingface_hub

    cached = fake_folder(tmp_path / "snapshots" / "abc123")
    answers = [SimpleNamespace(siblings=[SimpleNamespace(rfilename="a/b.json")]), ConnectionError("silence")]

    def model_info(api, name, *, revision, timeout):
        assert (name, revision) == ("owner/model", "main")
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    def snapshot_download(name, *, revision, local_files_only):
        assert local_files_only
        if not cached.is_dir():
            raise FileNotFoundError("nothing cached")
        return str(cached)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert resolve._hub_listing("owner/model", "main") == ["a/b.json"]
    assert sorted(resolve._hub_listing("owner/model", "main")) == ["config.json", "model.safetensors"]
    shutil.rmtree(cached)
    answers.append(ConnectionError("silence"))
    with pytest.raises(ConnectionError, match="silence"):
        resolve._hub_listing("owner/model", "main")


def test_a_hub_snapshot_carries_its_commit(tmp_path, monkeypatch):
    snapshot = fake_folder(tmp_path / "snapshots" / "abc123")
    monkeypatch.setattr(resolve, "_hub_folder", lambda name, revision: snapshot)
    found = resolve_model("owner/model", "main")
    assert (found.origin, found.revision, found.digest()) == ("hub", "abc123", "hub:abc123")


def test_pickled_weights_are_refused(tmp_path):
    fake_folder(tmp_path / "m", "pytorch_model.bin")
    with pytest.raises(ModelNotFoundError, match="Pickled weights"):
        resolve_model("m", base=tmp_path)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "m").mkdir()
    with pytest.raises(ModelNotFoundError, match=r"no config\.json"):
        resolve_model("m", base=tmp_path)
    (tmp_path / "m" / "config.json").write_text("{")
    with pytest.raises(ModelNotFoundError, match="not JSON"):
        resolve_model("m", base=tmp_path)


def test_the_digest_follows_the_files(tmp_path):
    folder = fake_folder(tmp_path / "m")
    before = resolve_model("m", base=tmp_path).digest()
    copied = shutil.copytree(folder, tmp_path / "n")
    assert resolve_model(str(copied)).digest() == before
    (folder / "model.safetensors").write_bytes(b"retrained")
    assert resolve_model("m", base=tmp_path).digest() != before
