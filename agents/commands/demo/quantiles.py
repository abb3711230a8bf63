"""Quantiles of a Prometheus histogram, by linear interpolation within a bucket."""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile(bounds: Sequence[float], cumulative: Sequence[float], q: float) -> float | None:
    """Return the estimate of a quantile, as PromQL's `histogram_quantile` makes it.

    Args:
        bounds: upper bounds of the buckets, ascending, the last one infinite.
        cumulative: observations at or below each bound.
        q: 0 to 1.

    Returns:
        In the unit of the bounds; the last finite bound for what lies beyond it; None: empty.
    """
    if not cumulative or cumulative[-1] <= 0:
        return None
    rank = q * cumulative[-1]
    index = next(i for i, count in enumerate(cumulative) if count >= rank)
    if math.isinf(bounds[index]):
        return bounds[index - 1] if index else None
    low_bound = bounds[index - 1] if index else 0.0
    low_count = cumulative[index - 1] if index else 0.0
    inside = cumulative[index] - low_count
    share = (rank - low_count) / inside if inside else 0.0
    return low_bound + share * (bounds[index] - low_bound)
