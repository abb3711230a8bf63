"""A leading subspace that follows a stream of vectors: incremental PCA with forgetting.

Sources: Levy and Lindenbaum, 2000, "Sequential Karhunen-Loeve Basis Extraction and its Application
to Images", IEEE Transactions on Image Processing 9(8); Ross, Lim, Lin and Yang, 2008, "Incremental
Learning for Robust Visual Tracking", IJCV 77 (the moving mean).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Variance of a scaled value that is noise at least: the residual of a source without noise is
#: compared with this, and no component has less.
_LEAST_NOISE = 0.01


class Subspace(NamedTuple):
    """Mean, leading components and what is left of n vectors of D values."""

    weight: float
    """Vectors, the forgotten ones less."""
    total: float
    """The variance of all D values."""
    mean: Floats
    """(D,)"""
    basis: Floats
    """(K, D) orthonormal rows by descending variance; zeros where there are fewer."""
    variances: Floats
    """(K,)"""

    def num_components(self, energy: float) -> int:
        """Return the number of leading components that explain `energy` (a share) of the total.

        All of them if that is not enough; none whose variance is only noise.
        """
        before = np.cumsum(self.variances) - self.variances
        is_used = (before < energy * self.total) & (self.variances > _LEAST_NOISE)
        return int(is_used.sum())

    def residuals(self, vectors: Floats, energy: float) -> Floats:
        """Return what is outside of the leading subspace, in noise's standard deviations.

        Args:
            vectors: (n, D)
            energy: share of the variance that the subspace explains.

        Returns:
            (n, D), whose mean square is about 1 in a row that is like those learned. Each row
            depends on its vector alone, to the last bit.
        """
        used = self.num_components(energy)
        basis = self.basis[:used]
        left = max(self.total - float(self.variances[:used].sum()), 0.0)
        size = len(self.mean)
        noise = left / max(size - used, 1) + _LEAST_NOISE
        centered = (vectors - self.mean)[:, None, :]
        # One product for each row: a larger product adds up in another order in another batch.
        inside = np.matmul(np.matmul(centered, basis.T), basis)
        outside: Floats = (centered - inside)[:, 0, :] / np.sqrt(noise)
        return outside

    def learned(self, vectors: Floats, keep: float) -> Subspace:
        """Return the subspace after more vectors.

        Args:
            vectors: (n, D), n >= 1.
            keep: weight of what was learned before, in [0, 1].
        """
        new_mean, size = vectors.mean(axis=0), len(vectors)
        centered, old = vectors - new_mean, keep * self.weight
        count = old + size
        shift = np.sqrt(old * size / count) * (self.mean - new_mean)
        scatter = np.concatenate(
            [np.sqrt(old * self.variances)[:, None] * self.basis, centered, shift[None]]
        )
        total = (old * self.total + float((centered * centered).sum() + shift @ shift)) / count
        _, singular, basis = np.linalg.svd(scatter, full_matrices=False)
        found = min(len(singular), len(self.variances))
        result = empty_subspace(len(self.mean), len(self.variances))
        result.basis[:found] = basis[:found]
        result.variances[:found] = singular[:found] ** 2 / count
        mean = (old * self.mean + size * new_mean) / count
        return result._replace(weight=count, total=total, mean=mean)


def empty_subspace(size: int, max_components: int) -> Subspace:
    """Return a subspace of nothing: D = `size`, K = `max_components`."""
    return Subspace(
        0.0, 0.0, np.zeros(size), np.zeros((max_components, size)), np.zeros(max_components)
    )
