"""Matrix factorization by stochastic gradients: a vector for each item and each user.

A user's vector follows each new item; a sample of other items is pushed away. Sources: Koren, Bell
and Volinsky, 2009, "Matrix Factorization Techniques for Recommender Systems", IEEE Computer 42(8);
negatives as in He et al., 2016, "Fast Matrix Factorization for Online Recommendation with Implicit
Feedback", SIGIR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommendation.tables import Floats, Ints, Items, Singles, Users

#: Other items for each interaction.
NEGATIVES = 32
#: Steps of the gradient for items and for users, and the pull to 0. Chosen like the constants of
#: `cooccurrence`.
ITEM_RATE, USER_RATE, PULL = 0.1, 1.0, 0.01
_NEGATIVE_WEIGHT = NEGATIVES**-0.5
#: Spread of a new item's vector.
_SPREAD = 0.1
_MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def random_bits(counters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 random bits for each counter: splitmix64, the same on every machine."""
    z = counters * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def first_vectors(slots: Ints, dimensions: int, seed: int) -> Singles:
    """Return the vectors (n, dimensions) of new items, uniform with spread `_SPREAD`."""
    counters = slots[:, None] * dimensions + np.arange(dimensions) + (seed << 40)
    uniform = random_bits(counters.astype(np.uint64)) / 2.0**64 - 0.5
    return (uniform * _SPREAD * 12**0.5).astype(np.float32)


def sampled_slots(step: int, num_slots: int, seed: int) -> Ints:
    """Return the slots (NEGATIVES,) of a model's items that its `step`-th interaction pushes."""
    counters = np.arange(step * NEGATIVES, (step + 1) * NEGATIVES, dtype=np.uint64)
    bits = random_bits(counters + np.uint64(seed << 40))
    return (bits % np.uint64(num_slots)).astype(np.int64)


def learn_factors(
    items: Items, users: Users, rows: Ints, owners: Ints, others: Ints, weights: Floats
) -> None:
    """Move vectors by interactions; of several of one item or user, the last one counts.

    Args:
        items: the table of items.
        users: the table of users.
        rows: (n,) items.
        owners: (n,) users.
        others: (n, NEGATIVES) items.
        weights: (n,) 1 for a usual interaction.
    """
    # The positive comes last: it stays where the sample holds it, too.
    every = np.concatenate([others, rows[:, None]], axis=1)
    vectors, user = items.factors[every], users.factors[owners]
    target = np.zeros(every.shape, np.float32)
    target[:, -1] = 1
    trust = np.full(every.shape, _NEGATIVE_WEIGHT, np.float32)
    trust[:, -1] = np.minimum(weights, 1.0)
    trust[:, :-1][others == rows[:, None]] = 0
    error = (target - (vectors @ user[:, :, None])[:, :, 0]) * trust
    # A vector of a heavy user can't run away.
    np.clip(error, -2, 2, out=error)
    toward_item = (error[:, None, :] @ vectors)[:, 0, :]
    items.factors[every] = vectors + np.float32(ITEM_RATE) * (
        error[:, :, None] * user[:, None, :] - np.float32(PULL) * vectors
    )
    moved = user + np.float32(USER_RATE) * (toward_item - np.float32(PULL) * user)
    users.factors[owners] = np.clip(moved, -10, 10)
