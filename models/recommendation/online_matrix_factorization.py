"""Items near each user's taste, by vectors that follow the stream."""

from __future__ import annotations

from models.recommendation.recommender import Recommender


class OnlineMatrixFactorization(Recommender):
    """Rank the 2,000 most popular items by the product of vectors; the recommender without pairs.

    A user without a vector gets what is popular. Options, memory and rules are those of
    `Recommender`. Source: `factorization.py`.
    """

    name, version = "online_matrix_factorization", "1"
    uses_pairs, uses_factors = False, True
