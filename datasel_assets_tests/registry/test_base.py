"""Folders of YAML files: one message per bad file, and nothing that takes the others down."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from datasel_assets.registry.base import MAX_YAML_BYTES, Loaded, load_folder
from datasel_assets.schema import StrictModel


class Inner(StrictModel):
    width: int = Field(default=1, gt=0)
    kind: Literal["dense", "sparse"] = "dense"


class Model(StrictModel):
    uri: str | list[str]
    inner: Inner = Inner()
    items: list[Inner] = Field(default_factory=list)
    names: dict[str, str] = Field(default_factory=dict)


def load(tmp_path: Path, **files: str | bytes) -> Loaded[Model]:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_folder(tmp_path, Model)


def error_of(tmp_path: Path, text: str | bytes) -> str:
    loaded = load(tmp_path, bad=text, good="uri: x")
    assert loaded.specs == {"good": Model(uri="x")}
    assert list(loaded.errors) == ["bad"]
    assert f"{tmp_path.name}/bad.yaml" in loaded.errors["bad"]
    return loaded.errors["bad"]


def test_a_valid_file_is_named_by_its_stem(tmp_path: Path):
    assert load(tmp_path, one="uri: [a, b]\ninner: {width: 3}").specs["one"] == Model(
        uri=["a", "b"], inner=Inner(width=3)
    )


def test_an_unknown_key_is_named_with_the_closest_and_all_allowed_keys(tmp_path: Path):
    message = error_of(tmp_path, "urri: x\nuri: y")
    assert "'urri' is not known; did you mean 'uri'?" in message
    assert "Allowed: inner, items, names, uri" in message


def test_an_unknown_key_inside_a_block_is_found_by_its_path(tmp_path: Path):
    message = error_of(tmp_path, "uri: x\ninner: {widht: 3}")
    assert "inner: the key 'widht' is not known; did you mean 'width'? Allowed: kind, width" in message


def test_a_value_that_is_not_allowed_lists_the_allowed_ones(tmp_path: Path):
    message = error_of(tmp_path, "uri: x\nitems: [{}, {kind: spare}]")
    assert "items[1].kind: 'spare' is not allowed; did you mean 'sparse'? Allowed: dense, sparse" in message


def test_a_missing_key_is_named(tmp_path: Path):
    assert "uri: this key is required" in error_of(tmp_path, "inner: {}")


def test_the_branches_of_a_union_make_one_sentence_about_one_key(tmp_path: Path):
    message = error_of(tmp_path, "uri: 3")
    assert message.count("uri:") == 1
    assert "must be a valid string" in message
    assert "must be a valid list" in message


def test_an_element_of_a_union_and_a_key_of_a_mapping_are_found_by_their_path(tmp_path: Path):
    message = error_of(tmp_path, "uri: [a, 3]\nnames: {first: 1}")
    assert "uri[1]: must be a valid string, but it is 3" in message
    assert "names.first: must be a valid string, but it is 1" in message


def test_a_number_out_of_range_says_the_range_and_the_number(tmp_path: Path):
    assert "inner.width: must be greater than 0, but it is -1" in error_of(tmp_path, "uri: x\ninner: {width: -1}")


def test_all_problems_of_a_file_are_in_its_one_message(tmp_path: Path):
    message = error_of(tmp_path, "inner: {width: wide, kind: x}")
    assert [line.split(":")[0] for line in message.splitlines()[1:]] == ["  - uri", "  - inner.width", "  - inner.kind"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("- a\n- b", "it is a list"),
        ("uri: [a", "not valid YAML"),
        ("uri: a\nuri: b", "line 2: the key 'uri' is given twice"),
        ("uri: a\ninner: {width: 1, width: 2}", "line 2: the key 'width' is given twice"),
        ("uri: &a x\nnames: {b: *a}", "line 2: YAML aliases"),
        ("uri: !!python/object/apply:os.system [ls]", "not valid YAML"),
        (b"uri: \xff\xfe", "not UTF-8"),
        ("1: x\nuri: y", "the key 1 is not text"),
        ("uri: " + "[" * 5000, "nested too deeply"),
        ("uri: \x00", "not valid YAML"),
        ("? {a: b}\n: c", "not valid YAML"),
    ],
)
def test_a_file_that_is_not_plain_yaml_says_why(tmp_path: Path, text: str | bytes, words: str):
    assert words in error_of(tmp_path, text)


def test_an_alias_bomb_is_refused_before_it_expands(tmp_path: Path):
    bomb = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    assert "YAML aliases" in error_of(tmp_path, bomb)


def test_a_huge_file_is_not_parsed(tmp_path: Path):
    assert "larger than" in error_of(tmp_path, b"#" * (MAX_YAML_BYTES + 1))


@pytest.mark.parametrize("name", ["Upper", "with space", "quote'", "x" * 64, "-leading"])
def test_a_file_name_that_cannot_name_a_partition_is_an_error(tmp_path: Path, name: str):
    assert "is not a valid name" in load(tmp_path, **{name: "uri: x"}).errors[name]


def test_a_yml_file_is_pointed_out_and_other_files_are_left_alone(tmp_path: Path):
    for name in ("short.yml", "notes.txt", ".hidden.yaml"):
        (tmp_path / name).write_text("uri: x")
    (tmp_path / "folder").mkdir()
    loaded = load_folder(tmp_path, Model)
    assert not loaded.specs
    assert "rename it to short.yaml" in loaded.errors["short"]
    assert list(loaded.errors) == ["short"]


def test_a_broken_link_is_the_error_of_that_file_only(tmp_path: Path):
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    loaded = load(tmp_path, good="uri: x")
    assert list(loaded.specs) == ["good"]
    assert list(loaded.errors) == ["gone"]


def test_a_missing_folder_is_not_an_empty_one(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        load_folder(tmp_path / "absent", Model)
    assert load_folder(tmp_path / "absent", Model, missing_ok=True) == Loaded({}, {})
