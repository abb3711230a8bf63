"""Items that other users had together with this user's latest items."""

from __future__ import annotations

from models.recommendation.recommender import Recommender


class ItemCooccurrence(Recommender):
    """Rank by how often items occurred together; the recommender without factors.

    Options, memory and rules are those of `Recommender`. Source: `cooccurrence.py`.
    """

    name, version = "item_cooccurrence", "1"
    uses_pairs, uses_factors = True, False
