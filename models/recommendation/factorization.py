"""Matrix factorization by stochastic gradients: a vector for each item and each user.

A user's vector follows each new item; a sample of other items is pushed away. Sources: Koren, Bell
and Volinsky, 2009, "Matrix Factorization Techniques for Recommender Systems", IEEE Computer 42(8);
negatives as in He et al., 2016, "Fast Matrix Factorization for Online Recommendation with Implicit
Feedback", SIGIR.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from models.recommendation.tables import Floats, Ints, Items, Users

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


def set_first_vectors(items: Items, seed: int, slots: Ints, rows: Ints) -> None:
    """Give new items (n,) their first vectors, uniform with spread `_SPREAD`, by their slots."""
    dimensions = items.dimensions
    counters = slots[:, None] * dimensions + np.arange(dimensions) + (seed << 40)
    uniform = random_bits(counters.astype(np.uint64)) / 2.0**64 - 0.5
    items.factors[rows] = uniform * (_SPREAD * 12**0.5)


def set_named_vectors(items: Items, seed: int, name: str, row: int) -> None:
    """Give a new item its first vector by its name: the same one in every partition."""
    digest = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
    counters = np.uint64(digest ^ (seed << 40)) + np.arange(items.dimensions, dtype=np.uint64)
    uniform = random_bits(counters) / 2.0**64 - 0.5
    items.factors[row] = items.sent[row] = uniform * (_SPREAD * 12**0.5)


def sampled_slots(steps: Ints, num_slots: Ints, seed: int) -> Ints:
    """Return the slots (n, NEGATIVES) of items that the interactions of models push away.

    Args:
        steps: (n,) the number of each interaction in its model.
        num_slots: (n,) how many its model has.
        seed: of all.
    """
    counters = steps[:, None] * NEGATIVES + np.arange(NEGATIVES) + (seed << 40)
    bits = random_bits(counters.astype(np.uint64)) >> np.uint64(1)
    return bits.astype(np.int64) % num_slots[:, None]


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
    # `take` reads rows in half the time of an index.
    vectors, user = items.factors.take(every, axis=0), users.factors.take(owners, axis=0)
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
