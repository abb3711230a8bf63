"""Many features on paper: their two principal components, fitted once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Projection:
    """Standardises features and turns them onto two axes."""

    mean: Floats
    scale: Floats
    axes: Floats
    """(features, 2), orthonormal."""
    explained: Floats
    """(2,) share of the variance that each axis shows, in [0, 1]."""

    def __call__(self, points: Floats) -> Floats:
        """Return (n, 2) of (n, features)."""
        projected: Floats = (points - self.mean) / self.scale @ self.axes
        return projected


def fit_projection(points: Floats) -> Projection:
    """Fit on (n, features), n >= 1: by the singular values of the standardised features.

    Source: Pearson, 1901, "On lines and planes of closest fit to systems of points in space".
    """
    mean, scale = points.mean(axis=0), points.std(axis=0)
    # A feature that never varies says nothing; dividing by its rounding error would.
    scale = np.where(scale > 1e-9 * (1 + np.abs(mean)), scale, np.inf)
    _, singular, turned = np.linalg.svd((points - mean) / scale, full_matrices=False)
    axes = np.zeros((points.shape[1], 2))
    num_axes = min(2, len(turned))
    axes[:, :num_axes] = turned[:num_axes].T
    variances = np.zeros(2)
    variances[:num_axes] = singular[:num_axes] ** 2
    return Projection(mean, scale, axes, variances / max(float((singular**2).sum()), 1e-12))
