"""States of several partitions: users taken out, and all of it put together.

Users are separate for each partition. What was learned of items is not, and adds up: counts are
sums, brought to one clock. Vectors of two models don't add, because each has its own axes: those of
the model that learned most are kept, and users of the others start from zero, which an interaction
or two makes good.

Partitions that share items (`outbox.py`) all know what the others have learned, and their vectors
have the same axes. So nothing is added up: items are those of the partition that learned most, and
users keep their vectors. What a partition has not yet published stays in its own part, if that is
the one that is kept; else it is lost to the others, at most `share_every` interactions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from models.keyed_state import require_distinct
from models.recommendation.cooccurrence import ITEM_POWER, ITEM_PRIOR
from models.recommendation.saved_state import SavedShared, SavedState
from models.recommendation.tables import NO_ROW, WAYS, Floats, Ints, Rows


def select_users(saved: SavedState, user_ids: Collection[str]) -> SavedState:
    """Return the state with only these users and all items."""
    if all(user in user_ids for user in saved.users):
        return saved
    kept = np.array([i for i, user in enumerate(saved.users) if user in user_ids], np.int64)
    pieces = np.split(saved.histories, np.cumsum(saved.lengths)[:-1]) if saved.users else []
    return replace(
        saved,
        users=[saved.users[i] for i in kept.tolist()],
        user_slots=np.arange(len(kept)),
        num_user_slots=len(kept),
        totals=saved.totals[kept],
        lengths=saved.lengths[kept],
        histories=np.concatenate([saved.histories[:0], *(pieces[i] for i in kept.tolist())]),
        user_factors=saved.user_factors[kept],
    )


def merge_states(
    name: str,
    parts: Sequence[SavedState],
    max_items: int,
    max_users: int,
    half_lives: tuple[float, float],
) -> SavedState:
    """Return the state of a model that has learned all that these have.

    Args:
        name: the model's, for an error.
        parts: at least one, of models with the same options.
        max_items: those with the smallest counts are left out.
        max_users: those seen least recently are left out.
        half_lives: in interactions: of counts, and of popularity.

    Raises:
        ModelError: two of them know the same user.
    """
    require_distinct(name, [(user,) for part in parts for user in part.users])
    if len(parts) == 1:
        return parts[0]
    parts = [_at_unit_one(part, half_lives) for part in parts]
    base = max(parts, key=lambda part: part.step)
    if base.shared is not None:
        parts = [part if part is base else _without_items_of(base, part) for part in parts]
    counts: dict[str, float] = {}
    for part in parts:
        for item, count in zip(part.items, part.counts.tolist(), strict=True):
            counts[item] = counts.get(item, 0.0) + count
    kept = sorted(counts, key=counts.__getitem__)[-max_items:]
    number = {item: i for i, item in enumerate(kept)}
    maps = [_numbers(part, number) for part in parts]
    merged = _merged_items(parts, maps, kept, base)
    if base.shared is not None:
        merged = replace(merged, shared=_merged_shared(parts, maps, merged, base), step=base.step,
                         clock_start=base.step, popular_clock_start=base.step,
                         listed_at=base.step)  # fmt: skip
    return _with_users(merged, parts, maps, base, max_users)


def _at_unit_one(part: SavedState, half_lives: tuple[float, float]) -> SavedState:
    """Return the state with a clock that starts now, so that counts of several states add."""
    unit = 2.0 ** ((part.step - part.clock_start) / half_lives[0])
    popular = 2.0 ** ((part.step - part.popular_clock_start) / half_lives[1])
    return replace(
        part,
        counts=part.counts / unit,
        together=(part.together / np.float32(unit)).astype(np.float32),
        popularity=part.popularity / popular,
    )


def _without_items_of(base: SavedState, part: SavedState) -> SavedState:
    """Return a part that adds nothing to the items that the base knows."""
    known = set(base.items)
    is_new = np.array([item not in known for item in part.items], np.bool_)
    return replace(
        part,
        counts=np.where(is_new, part.counts, 0.0),
        popularity=np.where(is_new, part.popularity, 0.0),
        together=np.where(is_new[:, None], part.together, np.float32(0)),
        neighbors=np.where(is_new[:, None], part.neighbors, np.int32(NO_ROW)),
    )


def _merged_shared(
    parts: Sequence[SavedState], maps: Sequence[Ints], merged: SavedState, base: SavedState
) -> SavedShared:
    """Return what is on its way: of the base, and the latest summary heard by any part."""
    numbers = next(m for p, m in zip(parts, maps, strict=True) if p is base)
    assert base.shared is not None
    sent = merged.item_factors.copy()
    own = numbers[base.item_slots]
    sent[own[own != NO_ROW]] = base.shared.sent[own != NO_ROW]
    changes = base.shared.changes.copy()
    changes[:, 0] = numbers[changes[:, 0]]
    heard: dict[str, int] = {}
    for part in parts:
        for source, sequence in (part.shared.heard if part.shared else {}).items():
            heard[source] = max(sequence, heard.get(source, -1))
    return replace(
        base.shared,
        sent=sent,
        windows=numbers[base.shared.windows].astype(np.int32),
        changes=changes[changes[:, 0] != NO_ROW],
        heard=heard,
    )


def _numbers(part: SavedState, number: dict[str, int]) -> Ints:
    """Return (num_slots + 1,) the new number of each old one; the last stands for `NO_ROW`."""
    numbers = np.full(part.num_slots + 1, NO_ROW)
    numbers[part.item_slots] = [number.get(item, NO_ROW) for item in part.items]
    return numbers


def _merged_items(
    parts: Sequence[SavedState], maps: Sequence[Ints], kept: list[str], base: SavedState
) -> SavedState:
    count, width = len(kept), base.neighbors.shape[1]
    sums = {field: np.zeros(count) for field in ("counts", "popularity", "is_removed")}
    factors = np.zeros((count, base.item_factors.shape[1]), np.float32)
    rows, columns, weights = [], [], []
    # The base comes last: its vectors stay.
    for part, numbers in sorted(zip(parts, maps, strict=True), key=lambda pair: pair[0] is base):
        own = numbers[part.item_slots]
        here = own != NO_ROW
        for field, total in sums.items():
            np.add.at(total, own[here], getattr(part, field)[here])
        factors[own[here]] = part.item_factors[here]
        others = numbers[part.neighbors]
        at, place = np.nonzero((others != NO_ROW) & here[:, None])
        rows.append(own[at])
        columns.append(others[at, place])
        weights.append(part.together[at, place].astype(np.float64))
    every = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
    pairs = _neighbors(count, width, *every)
    step = sum(part.step for part in parts)
    popular = np.unique(np.concatenate([m[p.popular] for p, m in zip(parts, maps, strict=True)]))
    return replace(
        base,
        items=kept,
        item_slots=np.arange(count),
        num_slots=count,
        neighbors=pairs[0],
        together=pairs[1],
        counts=sums["counts"],
        norms=np.where(sums["counts"] > 0, (sums["counts"] + ITEM_PRIOR) ** -ITEM_POWER, 0.0),
        popularity=sums["popularity"],
        item_factors=factors,
        is_removed=sums["is_removed"] > 0,
        popular=popular[popular != NO_ROW],
        popular_total=max(float(sums["popularity"].sum()), 1e-12),
        step=step,
        clock_start=step,
        popular_clock_start=step,
        listed_at=step,
    )


def _neighbors(
    count: int, width: int, rows: Ints, columns: Ints, weights: Floats
) -> tuple[Rows, np.typing.NDArray[np.float32]]:
    """Return the tables (count, width) of neighbors and counts: the largest sums of each group."""
    neighbors = np.full((count, width), NO_ROW, np.int32)
    together = np.zeros((count, width), np.float32)
    if not len(rows):
        return neighbors, together
    pairs, inverse = np.unique(rows * count + columns, return_inverse=True)
    sums = np.bincount(inverse, weights)
    rows, columns = pairs // count, pairs % count
    groups = columns % (width // WAYS)
    order = np.lexsort((columns, -sums, groups, rows))
    rows, columns, groups, sums = rows[order], columns[order], groups[order], sums[order]
    key = rows * width + groups
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    place = np.arange(len(key)) - np.repeat(starts, np.diff(np.r_[starts, len(key)]))
    fits = place < WAYS
    at = rows[fits], groups[fits] * WAYS + place[fits]
    neighbors[at], together[at] = columns[fits], sums[fits]
    return neighbors, together


def _with_users(
    merged: SavedState,
    parts: Sequence[SavedState],
    maps: Sequence[Ints],
    base: SavedState,
    max_users: int,
) -> SavedState:
    """Add the users of all parts: seen least recently first, as far as each part tells."""
    users = [user for part in parts for user in part.users]
    age = np.concatenate([np.arange(len(p.users)) - len(p.users) for p in parts])
    order = np.argsort(age, kind="stable")[-max_users:] if users else np.zeros(0, np.int64)
    lengths = np.concatenate([part.lengths for part in parts])
    past = np.concatenate([m[p.histories] for p, m in zip(parts, maps, strict=True)])
    pieces = np.split(past, np.cumsum(lengths)[:-1]) if users else []
    factors = np.concatenate(
        [
            p.user_factors
            if p is base or base.shared is not None
            else np.zeros_like(p.user_factors)
            for p in parts
        ]
    )
    return replace(
        merged,
        users=[users[i] for i in order.tolist()],
        user_slots=np.arange(len(order)),
        num_user_slots=len(order),
        totals=np.concatenate([part.totals for part in parts])[order],
        lengths=lengths[order],
        histories=np.concatenate([past[:0], *(pieces[i] for i in order.tolist())]).astype(np.int32),
        user_factors=factors[order],
    )
