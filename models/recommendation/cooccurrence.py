"""Which items occur together: counts of pairs in tables of bounded size.

An item's table is divided into groups of `WAYS` places. Another item belongs to one group, by its
number, and takes the place with the smallest count there if it has none: what occurs together
often stays. This is the set-associative layout of processor caches, and needs no search.

Source: item-based collaborative filtering, Linden, Smith and York, 2003, "Amazon.com
Recommendations", IEEE Internet Computing 7(1); counts are weighted by the distance in the user's
history as in Hidasi et al.'s item-to-item baselines.
"""

from __future__ import annotations

import numpy as np

from models.recommendation.tables import NO_ROW, WAYS, Floats, Ints, Items, Singles

#: How many of a user's latest items count.
WINDOW = 15
#: Weight of each step back in the history. This and the two below were chosen on the first 30 % of
#: MovieLens 100K.
FADING = 0.88
_FADING = FADING ** np.arange(WINDOW)
#: Power of an item's count by which its own score is divided, and what is added to the count.
ITEM_POWER, ITEM_PRIOR = 0.3, 5.0
#: The same for the items of the history.
HISTORY_POWER, HISTORY_PRIOR = 0.5, 1.0


def learn_pairs(items: Items, rows: Ints, before: Ints, weights: Floats) -> None:
    """Count each item together with those before it.

    Args:
        items: the table.
        rows: (n,) items.
        before: (n, WINDOW) the items before each in its user's history, the latest first.
        weights: (n,)
    """
    at, back = np.nonzero((before != NO_ROW) & (before != rows[:, None]))
    if not len(at):
        return
    at, back = at[::-1], back[::-1]  # the nearest come last: of two for one place, the last stays
    others, own = before[at, back], rows[at]
    weight = (weights[at] * _FADING[back]).astype(np.float32)
    pairs = np.concatenate([others, own]), np.concatenate([own, others])
    new = _add(items, *pairs, np.concatenate([weight, weight]))
    if len(new[0]):  # those that lost their place to another one of this step
        _add(items, *new)


def _add(items: Items, rows: Ints, columns: Ints, weights: Singles) -> tuple[Ints, Ints, Singles]:
    """Add to the counts of pairs (n,); return the new pairs that found no place."""
    neighbors, together = items.neighbors.reshape(-1), items.together.reshape(-1)
    group = rows * items.groups + items.slots[columns] % items.groups
    is_same = neighbors.reshape(-1, WAYS)[group] == columns[:, None]
    place = is_same.argmax(axis=1)
    # argmax is 0 where nothing is True.
    known = is_same[:, 0] | (place > 0)
    np.add.at(together, (group * WAYS + place)[known], weights[known])
    new = ~known
    group, columns, weights = group[new], columns[new], weights[new]
    at = group * WAYS + together.reshape(-1, WAYS)[group].argmin(axis=1)
    neighbors[at], together[at] = columns, weights
    lost = neighbors[at] != columns
    return rows[new][lost], columns[lost], weights[lost]


def count_items(items: Items, rows: Ints, weights: Floats, unit: Floats) -> None:
    """Count occurrences of items (n,) and update what their scores are divided by.

    Args:
        items: the table.
        rows: (n,)
        weights: (n,) in the units of `counts`.
        unit: (n,) what 1 is in those units.
    """
    np.add.at(items.counts, rows, weights)
    items.norms[rows] = (items.counts[rows] / unit + ITEM_PRIOR) ** -ITEM_POWER


def history_weights(items: Items, history: Ints, unit: Floats) -> Floats:
    """Return the weights of the items of histories (n, WINDOW), 0 for none.

    Args:
        items: the table.
        history: (n, WINDOW) rows, the latest first.
        unit: (n,) as above.
    """
    faded = _FADING * (items.counts[history] / unit[:, None] + HISTORY_PRIOR) ** -HISTORY_POWER
    return np.where(history == NO_ROW, 0.0, faded / unit[:, None])
