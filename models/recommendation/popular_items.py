"""What is popular now, the same for all users but for what each has seen."""

from __future__ import annotations

from models.recommendation.recommender import Recommender


class PopularItems(Recommender):
    """Rank by counts with a half-life; the recommender without pairs and factors.

    Options, memory and rules are those of `Recommender`.
    """

    name, version = "popular_items", "1"
    uses_pairs, uses_factors = False, False
