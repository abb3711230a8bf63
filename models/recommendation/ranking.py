"""From what users did last to the best items for each: candidates, their scores, the top.

Candidates are the neighbors of a user's latest items, and what is popular. All users of a call are
ranked together. Each user of one model has another lane of the scratch array, so that an item's
place there belongs to one user only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.recommendation.tables import NO_ROW, Floats, Ints, Items, Singles

Bools = NDArray[np.bool_]

#: So many of the best by other means are ranked by factors as well.
SHORT_LIST = 64
#: How much of a score an item's popularity is, where items occur together.
POPULAR_SHARE = 1e-3
#: Power of e by which a score grows with the product of the factors.
FACTOR_STRENGTH = 0.5
#: Users of one model that are ranked in one call, at most.
MOST_LANES = 16
#: Equal scores: the item that the model has known for longer comes first.
_TIE = 1e-13


@dataclass
class Question:
    """What n users are ranked by; arrays (n, ...) of rows of items, `NO_ROW` for none."""

    history: Ints
    """(n, WINDOW) the latest items, the latest first."""
    weights: Floats
    """(n, WINDOW) how much each of them counts."""
    excluded: Ints
    """(n, any) items that are not recommended."""
    popular: Ints
    """(n, any) popular items of the user's model."""
    popular_unit: Floats
    """(n,) the sum of its items' popularity."""
    factors: Singles | None
    """(n, dimensions), or None if they don't count."""
    by_factors: Bools
    """(n,) whether only the factors count."""
    short_list: int
    """How many candidates the factors rank."""
    top: int
    """How many items are wanted."""
    lanes: Ints
    """(n,) below `MOST_LANES`; users of one model differ."""

    @property
    def num_lanes(self) -> int:
        """The number of lanes."""
        return int(self.lanes.max(initial=0)) + 1


@dataclass
class Ranking:
    """The best items of n users: arrays (n, top)."""

    rows: Ints
    """`NO_ROW` behind the last one."""
    scores: Floats
    is_together: Bools
    """Whether the item occurs together with the user's latest ones."""


def rank(items: Items, question: Question) -> Ranking:
    """Return the best items of each user."""
    users, rows, together = _candidates(items, question)
    popularity = items.popularity[rows] / question.popular_unit[users]
    scores = together * items.norms[rows] + POPULAR_SHARE * popularity
    if question.by_factors.any():
        scores = np.where(question.by_factors[users], 1.0, scores)
    scores *= 1 - _TIE * items.slots[rows]
    scores[_excluded(items, users, rows, question)] = 0
    scores[items.is_hidden(rows)] = 0
    width = max(question.top, question.short_list if question.factors is not None else 0)
    index, scores = _best(users, scores, len(question.history), width)
    # The last place stands for no candidate.
    rows, is_together = np.append(rows, NO_ROW), np.append(together > 0, False)
    if question.factors is not None:
        scores = scores * _liking(items, rows[index], question.factors)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : question.top]
    scores = np.take_along_axis(scores, order, axis=1)
    index = np.take_along_axis(index, order, axis=1)
    return Ranking(np.where(scores > 0, rows[index], NO_ROW), scores, is_together[index])


def _candidates(items: Items, question: Question) -> tuple[Ints, Ints, Floats]:
    """Return users, rows and sums (c,) of candidates; distinct rows, ascending users."""
    at, back = np.nonzero(question.weights > 0)
    latest, width = question.history[at, back], items.neighbors.shape[1]
    near = items.neighbors.take(latest, axis=0).reshape(-1)
    values = items.together.take(latest, axis=0) * question.weights[at, back][:, None]
    asked, place = np.nonzero(question.popular != NO_ROW)
    rows = np.concatenate([near, question.popular[asked, place].astype(np.int32)])
    used = np.flatnonzero(rows != NO_ROW)
    sums = np.zeros(len(rows))
    sums[: len(near)] = values.reshape(-1)
    rows, sums = rows[used], sums[used]
    # Of each user's row one entry stands for all: the last one, as that is what stays written.
    numbers = np.arange(len(rows), dtype=np.int32)
    scratch, places = items.scratch(question.num_lanes), rows
    if question.num_lanes > 1:
        lane = np.concatenate([np.repeat(question.lanes[at], width), question.lanes[asked]])
        places = rows + lane[used] * len(items.counts)
    scratch[places] = numbers
    first = scratch[places]
    sums = np.bincount(first, sums, len(rows)).astype(np.float64, copy=False)
    kept = np.flatnonzero(first == numbers)
    entry = used[kept]
    is_near = entry < len(near)
    users = np.empty(len(entry), np.int16 if len(question.history) < 2**15 else np.int64)
    users[is_near] = at[entry[is_near] // width] if width else 0
    users[~is_near] = asked[entry[~is_near] - len(near)]
    order = np.argsort(users, kind="stable")  # by radix, as they are short
    return users[order].astype(np.int64), rows[kept[order]], sums[kept[order]]


def _excluded(items: Items, users: Ints, rows: Ints, question: Question) -> Bools:
    """Return whether each candidate (c,) is among its user's excluded items."""
    scratch, excluded = items.scratch(question.num_lanes), question.excluded
    offsets = question.lanes * len(items.counts)
    places = rows + offsets[users]
    scratch[places] = 0
    scratch[(excluded + offsets[:, None])[excluded != NO_ROW]] = 1
    return np.asarray(scratch[places] == 1)


def _best(users: Ints, scores: Floats, num_users: int, width: int) -> tuple[Ints, Floats]:
    """Return the numbers (n, width) of each user's best candidates, and their scores.

    Args:
        users: (c,) ascending.
        scores: (c,) >= 0.
        num_users: n.
        width: the most for each; number c and score 0 for none.
    """
    lengths = np.bincount(users, minlength=num_users)
    starts = np.cumsum(lengths) - lengths
    widest = max(int(lengths.max(initial=0)), width)
    padded = np.zeros((num_users, widest))
    padded.reshape(-1)[np.arange(len(users)) + (np.arange(num_users) * widest - starts)[users]] = (
        scores
    )
    place = np.broadcast_to(np.arange(widest), padded.shape)
    if widest > width:
        place = np.argpartition(-padded, width - 1, axis=1)[:, :width]
        padded = np.take_along_axis(padded, place, axis=1)
    return np.where(place < lengths[:, None], starts[:, None] + place, len(users)), padded


def _liking(items: Items, rows: Ints, factors: Singles) -> Floats:
    """Return the factor (n, k) of the score of items (n, k) for users' vectors (n, dimensions)."""
    product = (items.factors.take(rows, axis=0, mode="wrap") @ factors[:, :, None])[:, :, 0]
    liking: Floats = np.exp(FACTOR_STRENGTH * np.clip(product, -10.0, 10.0))
    return liking
