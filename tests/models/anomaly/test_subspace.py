"""The incremental subspace against the exact one, and against what it has forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.subspace import empty_subspace


def low_rank(
    count: int, rank: int, size: int, seed: int = 0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, rank)) @ rng.normal(size=(rank, size)) + rng.normal(size=size)


def test_in_blocks_it_is_the_subspace_of_all_vectors() -> None:
    vectors = low_rank(320, 3, 12)
    found = empty_subspace(12, 4)
    for start in range(0, 320, 32):
        found = found.learned(vectors[start : start + 32], 1.0)
    centered = vectors - vectors.mean(axis=0)
    _, singular, basis = np.linalg.svd(centered, full_matrices=False)
    np.testing.assert_allclose(found.mean, vectors.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.variances[:3], singular[:3] ** 2 / 320, rtol=1e-9)
    np.testing.assert_allclose(found.total, (centered**2).sum() / 320, rtol=1e-9)
    np.testing.assert_allclose(np.abs((found.basis[:3] * basis[:3]).sum(axis=1)), 1.0, atol=1e-9)


def test_what_is_inside_has_no_residual_and_what_is_outside_has_all() -> None:
    vectors = low_rank(300, 2, 8)
    found = empty_subspace(8, 4).learned(vectors, 1.0)
    assert np.abs(found.residuals(vectors, 0.999)).max() < 1e-3
    off = np.linalg.svd(vectors - vectors.mean(axis=0))[2][-1]
    residual = found.residuals((found.mean + 5.0 * off)[None], 0.999)
    np.testing.assert_allclose(residual[0] / 10.0, 5.0 * off, atol=1e-3)  # the least noise is 0.1


@pytest.mark.parametrize(("energy", "used"), [(0.0, 0), (0.5, 1), (0.9, 2), (1.0, 2)])
def test_energy_chooses_the_components_and_noise_is_none(energy: float, used: int) -> None:
    scales = np.array([3.0, 2.0, 0.05])
    vectors = np.random.default_rng(1).normal(size=(2000, 3)) * scales
    assert empty_subspace(3, 3).learned(vectors, 1.0).num_components(energy) == used


def test_it_forgets() -> None:
    first, second = low_rank(400, 1, 6, seed=1), low_rank(400, 1, 6, seed=2)
    found = empty_subspace(6, 2).learned(first, 1.0)
    for start in range(0, 400, 40):
        found = found.learned(second[start : start + 40], 0.5)
    direction = np.linalg.svd(second - second.mean(axis=0))[2][0]
    assert abs(float(found.basis[0] @ direction)) > 0.99
    np.testing.assert_allclose(found.weight, 80, rtol=0.02)


def test_a_row_does_not_depend_on_its_neighbors() -> None:
    vectors = np.random.default_rng(3).normal(size=(33, 16))
    found = empty_subspace(16, 8).learned(vectors, 1.0)
    together = found.residuals(vectors, 0.7)
    for row, vector in enumerate(vectors):
        np.testing.assert_array_equal(found.residuals(vector[None], 0.7)[0], together[row])
