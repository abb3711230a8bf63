"""Implicit ALS, refitted daily: what recommendations are compared with, never served.

Source: Hu, Koren and Volinsky, 2008, "Collaborative Filtering for Implicit Feedback Datasets",
ICDM. All pairs count: those that occurred with confidence 1 + alpha and target 1, all others with
confidence 1 and target 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ImplicitAls:
    """Vectors of users and items, fitted in turn by least squares."""

    def __init__(
        self,
        dimensions: int = 32,
        regularization: float = 10.0,
        alpha: float = 1.0,
        sweeps: int = 3,
        seed: int = 1,
    ) -> None:
        self._shape = dimensions
        self._ridge = regularization * np.eye(dimensions)
        self._alpha, self._sweeps, self._seed = alpha, sweeps, seed
        self.items: Floats = np.zeros((0, dimensions))
        self._gram: Floats = self._ridge

    def fit(self, histories: list[list[int]], num_items: int) -> None:
        """Fit to what each user had; starts from the vectors of the fit before.

        Args:
            histories: of each user, the numbers of items, below `num_items`.
            num_items: may grow from fit to fit.
        """
        rng = np.random.default_rng(self._seed + len(self.items))
        fresh = rng.normal(0, 0.1, (num_items - len(self.items), self._shape))
        self.items = np.concatenate([self.items, fresh])
        owners: list[list[int]] = [[] for _ in range(num_items)]
        for user, history in enumerate(histories):
            for item in set(history):
                owners[item].append(user)
        for _ in range(self._sweeps):
            users = self._solved([list(set(h)) for h in histories], self.items)
            self.items = self._solved(owners, users)
        self._gram = self.items.T @ self.items + self._ridge

    def _solved(self, neighbors: list[list[int]], others: Floats) -> Floats:
        gram = others.T @ others + self._ridge
        return np.stack([self._solve(others[near], gram) for near in neighbors])

    def _solve(self, near: Floats, gram: Floats) -> Floats:
        left = gram + self._alpha * near.T @ near
        return np.asarray(np.linalg.solve(left, (1 + self._alpha) * near.sum(axis=0)))

    def scores(self, history: list[int]) -> Floats:
        """Return the scores of all items for a user who had these, folded in by least squares."""
        known = [item for item in set(history) if item < len(self.items)]
        return np.asarray(self.items @ self._solve(self.items[known], self._gram))
