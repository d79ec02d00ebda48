"""From layers to unit vectors: parity, overflow, zero rows, blocks, behaviour (CRDS-T3, T9, T12, T13)."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.representations import (
    Basis,
    Moments,
    compress,
    fit_basis,
    layer_energy,
    moments,
    needs_fit,
    prepare,
)
from datasel_assets.specs.compress import CompressSpec

MODULE = import_module("datasel_assets.representations.compress")  # the package re-exports the function of that name

SPECS = {
    "concatenation": CompressSpec(),
    "centred": CompressSpec(center=True, layer_norm="rms"),
    "rademacher": CompressSpec(method="rademacher"),
    "rademacher, equal layers": CompressSpec(method="rademacher", layer_norm="rms", dims_per_layer=5),
    "whiten": CompressSpec(method="whiten", dims=12),
    "spectral": CompressSpec(method="whiten", layer_norm="l2", alpha=0.25),
}


def pool(seed=0, n=400, layers=3, dim=16, dtype=np.float16):
    generator = np.random.default_rng(seed)
    scale = np.array([1.0, 3.0, 0.2])[:layers, None]
    return ((generator.standard_normal((n, layers, dim)) + generator.standard_normal((layers, dim))) * scale).astype(
        dtype
    )


def fitted(spec, rows):
    return fit_basis(spec, moments(prepare(spec, rows)) if needs_fit(spec) else None, *rows.shape[1:])


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_crds_r_agrees_with_the_reference_in_half_precision():
    # The reference: weighted mean of token states, R taken by projecting the identity, bare signs, everything float16.
    generator = np.random.default_rng(0)
    spec = CompressSpec(method="rademacher", scale="none")
    basis = fit_basis(spec, None, 2, 64)
    columns = 32
    identity = np.zeros((64, 2, 64), dtype=np.float32)
    recovered = []
    for layer in range(2):
        identity[:] = 0
        identity[np.arange(64), layer] = np.eye(64)
        block = compress(spec, basis, identity).vectors[:, layer * columns : (layer + 1) * columns]
        recovered.append(np.sign(block).astype(np.float16))
    rows, reference = [], []
    for _ in range(50):
        length = int(generator.integers(1, 40))
        states = generator.standard_normal((4, length, 64)).astype(np.float32) * 3 + 1  # 4 blocks, the last 2 used
        weights = np.arange(1, length + 1) / (length * (length + 1) / 2)
        pooled = np.einsum("t,ltd->ld", weights, states[2:]).astype(np.float32)
        rows.append(pooled)
        reference.append(
            np.concatenate([(pooled[i].astype(np.float16) @ recovered[i]).astype(np.float16) for i in range(2)])
        )
    ours = compress(spec, basis, np.stack(rows)).vectors
    theirs = unit(np.stack(reference).astype(np.float32))
    assert np.abs(ours @ ours.T - theirs @ theirs.T).max() < 1e-3


def test_the_scale_of_the_signs_does_not_move_unit_vectors():
    rows = pool()
    bare, scaled = (CompressSpec(method="rademacher", scale=scale) for scale in ("none", "inverse_sqrt"))
    np.testing.assert_allclose(
        compress(bare, fitted(bare, rows), rows).vectors,
        compress(scaled, fitted(scaled, rows), rows).vectors,
        atol=1e-6,
    )


def test_rds_plus_is_the_single_layer_at_unit_length():
    rows = pool(layers=1)
    for spec in (CompressSpec(), CompressSpec(method="rademacher")):  # one layer is not projected
        np.testing.assert_allclose(
            compress(spec, fitted(spec, rows), rows).vectors, unit(rows[:, 0].astype(np.float32)), atol=1e-6
        )


def test_an_unnormalised_concatenation_weighs_layers_by_their_energy():
    rows = pool().astype(np.float32)
    vectors = compress(CompressSpec(), fitted(CompressSpec(), rows), rows).vectors
    by_hand = np.einsum("ald,bld->ab", rows, rows) / np.sqrt(
        np.outer((rows**2).sum(axis=(1, 2)), (rows**2).sum(axis=(1, 2)))
    )
    np.testing.assert_allclose(vectors @ vectors.T, by_hand, atol=1e-5)
    energy = layer_energy(rows)
    np.testing.assert_allclose(energy, (rows**2).sum(axis=(0, 2)) / (rows**2).sum(), rtol=1e-5)


def test_l2_gives_every_layer_the_same_weight_and_rms_only_on_average():
    rows = pool().astype(np.float32)
    per_row = np.linalg.norm(prepare(CompressSpec(layer_norm="l2"), rows).reshape(len(rows), 3, -1), axis=2)
    np.testing.assert_allclose(per_row, 1, rtol=1e-5)
    spec = CompressSpec(layer_norm="rms")
    scaled = rows * fitted(spec, rows).arrays["layer_scale"][None, :, None]
    np.testing.assert_allclose(np.sqrt((scaled**2).sum(axis=2).mean(axis=0)), 1, rtol=1e-4)
    np.testing.assert_allclose(
        compress(spec, fitted(spec, rows), rows).vectors, unit(scaled.reshape(len(rows), -1)), atol=1e-5
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_every_method_gives_finite_unit_vectors_and_flags_zero_rows(spec):
    rows = pool()
    basis = fitted(spec, rows)
    rows[[3, 99]] = 0
    result = compress(spec, basis, rows)
    assert result.vectors.dtype == np.float32
    assert result.vectors.shape == (len(rows), basis.info["dim_out"])
    assert np.isfinite(result.vectors).all()
    assert np.flatnonzero(result.is_zero).tolist() == [3, 99]
    assert not result.vectors[[3, 99]].any()
    np.testing.assert_allclose(np.linalg.norm(result.vectors[~result.is_zero], axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "spec", [CompressSpec(), CompressSpec(method="rademacher", dims_per_layer=227, scale="none")], ids=["none", "signs"]
)
def test_a_constant_row_that_overflows_half_precision_norms_is_a_unit_vector(spec):
    rows = np.full((1, 1, 4086), 2000.0, dtype=np.float16)
    with np.errstate(over="ignore"):
        assert np.isinf(np.square(rows[0, 0]).sum(dtype=np.float16))  # what the reference meets
    result = compress(spec, fit_basis(spec, None, 1, 4086), rows)
    assert not result.is_zero[0]
    np.testing.assert_allclose(np.linalg.norm(result.vectors[0]), 1, rtol=1e-5)


def test_the_largest_half_precision_values_do_not_overflow():
    rows = np.full((2, 18, 4096), np.finfo(np.float16).max, dtype=np.float16)
    spec = CompressSpec(method="rademacher", scale="none")
    result = compress(spec, fit_basis(spec, None, 18, 4096), rows)
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
@settings(max_examples=10)
@given(cut=st.integers(1, 299))
def test_a_row_does_not_depend_on_the_rows_beside_it(spec, cut):
    rows = pool(n=300)
    basis = fitted(spec, rows)
    whole = compress(spec, basis, rows).vectors
    halves = np.concatenate([compress(spec, basis, part).vectors for part in (rows[:cut], rows[cut:])])
    np.testing.assert_allclose(whole, halves, atol=2e-6)


def test_blocks_do_not_show(monkeypatch):
    rows, spec = pool(n=700), SPECS["spectral"]
    basis = fitted(spec, rows)
    whole = compress(spec, basis, rows).vectors
    monkeypatch.setattr(MODULE, "BLOCK_BYTES", 1)
    np.testing.assert_allclose(compress(spec, basis, rows).vectors, whole, atol=2e-6)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_one_and_four_workers_make_identical_artefacts(spec):
    rows = pool(n=1000)
    shards = np.array_split(rows, 7)

    def digest(workers):
        with ThreadPoolExecutor(workers) as executor:
            parts = list(executor.map(lambda shard: moments(prepare(spec, shard)), shards))
            basis = fit_basis(spec, Moments.merge(*parts) if needs_fit(spec) else None, *rows.shape[1:])
            vectors = list(executor.map(lambda shard: compress(spec, basis, shard).vectors, shards))
        state = hashlib.sha256()
        for array in [*(basis.arrays[name] for name in sorted(basis.arrays)), *vectors]:
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()

    assert digest(1) == digest(4)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_a_basis_restored_from_its_arrays_gives_the_same_vectors(spec):
    rows = pool()
    basis = fitted(spec, rows)
    restored = Basis.from_arrays({name: array.copy() for name, array in basis.arrays.items()}, basis.info)
    np.testing.assert_array_equal(compress(spec, basis, rows).vectors, compress(spec, restored, rows).vectors)


def test_memory_mapped_input_is_not_changed(tmp_path):
    rows = pool()
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    spec = SPECS["spectral"]
    compress(spec, fitted(spec, mapped), mapped)
    np.testing.assert_array_equal(mapped, rows)


def test_float32_input_is_not_changed():
    rows = pool(dtype=np.float32)
    before = rows.copy()
    for spec in SPECS.values():
        compress(spec, fitted(spec, rows), rows)
    np.testing.assert_array_equal(rows, before)


def test_whitening_finds_a_planted_cluster_that_raw_cosine_misses():
    generator = np.random.default_rng(4)
    n, dim, planted = 3000, 64, 100
    loud = generator.standard_normal((4, dim))  # directions that carry most of the variance and say nothing
    common = 30 * generator.standard_normal(dim)
    topic = generator.standard_normal(dim)
    topic *= 3 / np.linalg.norm(topic)

    def draw(count, shift):
        noise = 0.5 * generator.standard_normal((count, dim)) + 8 * generator.standard_normal((count, 4)) @ loud
        return (noise + common + shift).astype(np.float32)[:, None, :]

    rows = np.concatenate([draw(planted, topic), draw(n - planted, 0)])
    queries = draw(8, topic)

    def recall(spec):
        basis = fitted(spec, rows)
        score = (compress(spec, basis, queries).vectors @ compress(spec, basis, rows).vectors.T).max(axis=0)
        return (np.argsort(-score)[:planted] < planted).mean()

    raw, whitened = recall(CompressSpec()), recall(CompressSpec(method="whiten"))
    assert raw < 0.2
    assert whitened > 0.5


def test_layers_of_another_encoder_are_refused():
    rows = pool()
    basis = fitted(SPECS["whiten"], rows)
    with pytest.raises(ValueError, match="fitted for 3 layers of 16"):
        compress(SPECS["whiten"], basis, rows[:, :2])
    with pytest.raises(ValueError, match="refit"):
        fit_basis(SPECS["whiten"], moments(prepare(SPECS["whiten"], rows)), 2, 16)
    with pytest.raises(ValueError, match=r"\(n, layers, dim\)"):
        prepare(SPECS["whiten"], rows[:, 0])


def test_a_missing_fit_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match="materialise"):
        fit_basis(SPECS["whiten"], None, 3, 16)


def test_a_value_that_is_not_finite_is_named_by_its_row():
    rows = pool()
    basis = fitted(SPECS["rademacher"], rows)
    rows[123, 1, 5] = np.nan
    with pytest.raises(ValueError, match="row 123"):
        compress(SPECS["rademacher"], basis, rows)
