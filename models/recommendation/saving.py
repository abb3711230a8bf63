"""From the shared tables to a model's saved state, and back."""

from __future__ import annotations

import numpy as np

from models.recommendation.partition import Partition
from models.recommendation.saved_state import SavedShared, SavedState
from models.recommendation.tables import NO_ROW, Ints


def save_partition(partition: Partition, heard: dict[str, int]) -> SavedState:
    """Return the state of one model, with the summaries that it has learned."""
    items, users = partition.item_table, partition.user_table
    item_slots = np.array(partition.items.keys.slots, np.int64)
    user_slots = np.array(partition.users.keys.slots, np.int64)
    rows, owners = partition.items.rows_of(item_slots), partition.users.rows_of(user_slots)
    # The last place of `slots` is never in use by then: it stands for NO_ROW.
    slot_of = np.append(items.slots, np.int32(NO_ROW))
    totals = users.totals[owners]
    lengths = np.minimum(totals, users.length)
    return SavedState(
        items=partition.items.keys.keys,
        item_slots=item_slots,
        num_slots=partition.items.keys.num_slots,
        neighbors=slot_of[items.neighbors[rows]],
        together=items.together[rows],
        counts=items.counts[rows],
        norms=items.norms[rows],
        popularity=items.popularity[rows],
        item_factors=items.factors[rows],
        is_removed=items.is_removed[rows],
        users=partition.users.keys.keys,
        user_slots=user_slots,
        num_user_slots=partition.users.keys.num_slots,
        totals=totals,
        lengths=lengths,
        histories=slot_of[users.history[_places(owners, totals, lengths, users.length)]],
        user_factors=users.factors[owners],
        popular=partition.popular,
        popular_total=partition.popular_total,
        step=partition.step,
        clock_start=partition.clock.start,
        popular_clock_start=partition.popular_clock.start,
        listed_at=partition.listed_at,
        shared=_save_shared(partition, rows, heard),
    )


def _save_shared(partition: Partition, rows: Ints, heard: dict[str, int]) -> SavedShared | None:
    outbox = partition.outbox
    if outbox is None:
        return None
    return SavedShared(
        sent=partition.item_table.sent[rows],
        windows=outbox.windows.copy(),
        weights=outbox.weights.copy(),
        changes=np.array(list(outbox.changes.items()), np.int64).reshape(-1, 2),
        heard=dict(heard),
    )


def load_partition(partition: Partition, saved: SavedState) -> None:
    """Give a model that has learned nothing a saved state.

    Raises:
        ModelError: its keys don't fit.
    """
    partition.items.adopt(saved.items, saved.item_slots.tolist(), saved.num_slots)
    partition.users.adopt(saved.users, saved.user_slots.tolist(), saved.num_user_slots)
    items, users = partition.item_table, partition.user_table
    row_of = np.append(partition.items.rows, NO_ROW)  # the last one stands for NO_ROW
    rows, owners = row_of[saved.item_slots], partition.users.rows_of(saved.user_slots)
    items.slots[rows] = saved.item_slots
    items.neighbors[rows] = row_of[saved.neighbors]
    items.together[rows] = saved.together
    items.counts[rows], items.norms[rows] = saved.counts, saved.norms
    items.popularity[rows] = saved.popularity
    items.factors[rows], items.is_removed[rows] = saved.item_factors, saved.is_removed
    items.is_blocked[rows] = [partition.is_blocked(name) for name in saved.items]
    users.totals[owners], users.factors[owners] = saved.totals, saved.user_factors
    places = _places(owners, saved.totals, saved.lengths, users.length)
    users.history[places] = row_of[saved.histories]
    partition.popular, partition.popular_total = saved.popular, saved.popular_total
    partition.step, partition.listed_at = saved.step, saved.listed_at
    partition.clock.start = saved.clock_start
    partition.popular_clock.start = saved.popular_clock_start
    if partition.outbox is not None and saved.shared is not None:
        items.sent[rows] = saved.shared.sent
        partition.outbox.add(saved.shared.windows, saved.shared.weights)
        pairs = saved.shared.changes.tolist()
        partition.outbox.changes = {slot: bool(is_removed) for slot, is_removed in pairs}


def _places(owners: Ints, totals: Ints, lengths: Ints, length: int) -> tuple[Ints, Ints]:
    """Return the places in the rings of what users (u,) remember, user by user, latest last."""
    ends = np.cumsum(lengths)
    number = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
    first = np.repeat(totals - lengths, lengths)
    return np.repeat(owners, lengths), (first + number) % length
