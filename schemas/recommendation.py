"""What to show a user next."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from schemas.event import Result

Strategy: TypeAlias = Literal["co_occurrence", "factors", "popular"]


class RecommendedItem(msgspec.Struct, frozen=True, gc=False):
    """One item of a recommendation."""

    item: str
    score: float
    """Higher is better, >= 0. Comparable within one recommendation only."""
    strategy: Strategy
    """Why: found together with the user's latest items; near the user's learned taste; popular."""


class Recommendation(Result, kw_only=True):
    """The items that a user is likely to want next, best first."""

    items: list[RecommendedItem]
    is_cold: bool
    """Whether nothing is known about the user: the items are what is popular."""
