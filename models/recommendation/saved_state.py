"""A model's state as plain arrays, by the model's own numbers of items: packed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.recommendation.cooccurrence import WINDOW
from models.recommendation.outbox import LONGEST_STEP
from models.recommendation.tables import NO_ROW, WAYS, Floats, Ints, Rows, Singles
from models.snapshots import Option, Snapshot, pack, unpack

_F8, _F4 = np.zeros(0), np.zeros(0, np.float32)
_I8, _I4 = np.zeros(0, np.int64), np.zeros(0, np.int32)
_TRUTHS = np.zeros(0, np.bool_)


@dataclass
class SavedShared:
    """What partitions share, as far as it is on its way."""

    sent: Singles
    """(i, dimensions) what other partitions know of the vectors."""
    windows: Rows
    """(n, 1 + WINDOW) interactions that are not yet published: numbers of items, or `NO_ROW`."""
    weights: Floats
    """(n,)"""
    changes: Ints
    """(c, 2) numbers of items, and 1 if they were removed, 0 if restored."""
    heard: dict[str, int]
    """`agent:partition` -> sequence of the last summary learned."""


@dataclass
class SavedState:
    """All of a model's state; items and users in the order of their last sighting, oldest first."""

    items: list[str]
    item_slots: Ints
    """(i,) the number of each item, below `num_slots`."""
    num_slots: int
    neighbors: Rows
    """(i, neighbors) numbers of items, `NO_ROW` for none."""
    together: Singles
    """(i, neighbors)"""
    counts: Floats
    """(i,), as `norms` and `popularity`."""
    norms: Floats
    popularity: Floats
    item_factors: Singles
    """(i, dimensions)"""
    is_removed: NDArray[np.bool_]
    """(i,)"""
    users: list[str]
    user_slots: Ints
    """(u,)"""
    num_user_slots: int
    totals: Ints
    """(u,) how many items each has had."""
    lengths: Ints
    """(u,) how many of them are remembered."""
    histories: Rows
    """(sum of lengths,) numbers of items, user by user, the latest last."""
    user_factors: Singles
    """(u, dimensions)"""
    popular: Ints
    """(any,) numbers of the popular items, ascending."""
    popular_total: float
    step: int
    clock_start: int
    popular_clock_start: int
    listed_at: int
    shared: SavedShared | None = None


def pack_state(saved: SavedState, kind: str, version: int, options: Mapping[str, Option]) -> bytes:
    """Serialize a state."""
    numbers = [saved.num_slots, saved.num_user_slots, len(saved.popular), saved.step,
               saved.clock_start, saved.popular_clock_start, saved.listed_at,
               len(saved.histories)]  # fmt: skip
    arrays = {
        "numbers": np.array(numbers, np.int64),
        "popular_total": np.array([saved.popular_total]),
        "item_slots": saved.item_slots,
        "neighbors": saved.neighbors,
        "together": saved.together,
        "counts": saved.counts,
        "norms": saved.norms,
        "popularity": saved.popularity,
        "item_factors": saved.item_factors,
        "is_removed": saved.is_removed,
        "user_slots": saved.user_slots,
        "totals": saved.totals,
        "lengths": saved.lengths,
        "histories": saved.histories,
        "user_factors": saved.user_factors,
        "popular": saved.popular,
    }
    names = {"items": saved.items, "users": saved.users}
    if saved.shared is not None:
        names["heard"] = list(saved.shared.heard)
        arrays |= {
            "heard": np.array(list(saved.shared.heard.values()), np.int64),
            "sent": saved.shared.sent,
            "waiting": np.array([len(saved.shared.weights), len(saved.shared.changes)]),
            "windows": saved.shared.windows,
            "weights": saved.shared.weights,
            "changes": saved.shared.changes,
        }
    return pack(kind, version, options, names, arrays)


def unpack_state(
    state: bytes, kind: str, version: int, options: Mapping[str, Option]
) -> SavedState:
    """Deserialize a state.

    Raises:
        ModelError: not a snapshot of the model, damaged, or made with other options.
    """
    snapshot = unpack(state, kind, version, options)
    saved = _read(snapshot, _int(options, "neighbors"), _int(options, "dimensions"))
    if "share_every" in options:
        saved.shared = _read_shared(snapshot, saved, _int(options, "share_every"))
    if not _fits(saved, _int(options, "history")):
        raise ModelError(f"the numbers in the snapshot of {kind} do not fit: it is damaged")
    return saved


def _int(options: Mapping[str, Option], name: str) -> int:
    value = options[name]
    assert isinstance(value, int)
    return value


def _read(snapshot: Snapshot, neighbors: int, dimensions: int) -> SavedState:
    items, users = snapshot.list_of("items"), snapshot.list_of("users")
    i, u = len(items), len(users)
    numbers = snapshot.array("numbers", _I8, 8).tolist()
    slots, user_slots, popular, step, start, popular_start, listed_at, past = numbers
    if min(numbers) < 0:
        raise ModelError(f"the numbers in the snapshot of {snapshot.kind} are negative")
    return SavedState(
        items=items,
        item_slots=snapshot.array("item_slots", _I8, i),
        num_slots=slots,
        neighbors=snapshot.array("neighbors", _I4, i, neighbors),
        together=snapshot.array("together", _F4, i, neighbors),
        counts=snapshot.array("counts", _F8, i),
        norms=snapshot.array("norms", _F8, i),
        popularity=snapshot.array("popularity", _F8, i),
        item_factors=snapshot.array("item_factors", _F4, i, dimensions),
        is_removed=snapshot.array("is_removed", _TRUTHS, i),
        users=users,
        user_slots=snapshot.array("user_slots", _I8, u),
        num_user_slots=user_slots,
        totals=snapshot.array("totals", _I8, u),
        lengths=snapshot.array("lengths", _I8, u),
        histories=snapshot.array("histories", _I4, past),
        user_factors=snapshot.array("user_factors", _F4, u, dimensions),
        popular=snapshot.array("popular", _I8, popular),
        popular_total=float(snapshot.array("popular_total", _F8, 1)[0]),
        step=step,
        clock_start=start,
        popular_clock_start=popular_start,
        listed_at=listed_at,
    )


def _read_shared(snapshot: Snapshot, saved: SavedState, share_every: int) -> SavedShared:
    """Return what a snapshot has of summaries.

    Raises:
        ModelError: it is damaged.
    """
    count, num_changes = snapshot.array("waiting", _I8, 2).tolist()
    sources = snapshot.list_of("heard")
    shared = SavedShared(
        sent=snapshot.array("sent", _F4, *saved.item_factors.shape),
        windows=snapshot.array("windows", _I4, max(count, 0), 1 + WINDOW),
        weights=snapshot.array("weights", _F8, max(count, 0)),
        changes=snapshot.array("changes", _I8, max(num_changes, 0), 2),
        heard=dict(zip(sources, snapshot.array("heard", _I8, len(sources)).tolist(), strict=True)),
    )
    used = np.append(shared.windows.ravel(), shared.changes[:, 0])
    known = np.isin(used, np.append(saved.item_slots, NO_ROW))
    if not known.all() or count > share_every + LONGEST_STEP or (shared.weights < 0).any():
        raise ModelError(f"the shared items in the snapshot of {snapshot.kind} do not fit")
    return shared


def _fits(saved: SavedState, history: int) -> bool:
    numbers: list[NDArray[Any]] = [saved.neighbors, saved.histories]
    counts: list[NDArray[Any]] = [saved.together, saved.counts, saved.norms, saved.popularity]
    used = np.zeros(saved.num_slots + 1, np.bool_)
    if not _are_below(saved.item_slots, saved.num_slots):
        return False
    used[saved.item_slots] = True
    return (
        all(bool((each >= NO_ROW).all() and (each < saved.num_slots).all()) for each in numbers)
        and bool(used[saved.neighbors[saved.neighbors != NO_ROW]].all())
        and bool(used[saved.histories[saved.histories != NO_ROW]].all())
        and _are_below(saved.popular, saved.num_slots)
        and bool(used[saved.popular].all())
        and all(bool((each >= 0).all() and np.isfinite(each).all()) for each in counts)
        and bool(np.isfinite(saved.item_factors).all() and np.isfinite(saved.user_factors).all())
        and bool(np.array_equal(saved.lengths, np.minimum(saved.totals, history)))
        and bool((saved.totals >= 0).all())
        and int(saved.lengths.sum()) == len(saved.histories)
        and 0 < saved.popular_total < np.inf
        and saved.neighbors.shape[1] % WAYS == 0
    )


def _are_below(numbers: Ints, limit: int) -> bool:
    return bool((numbers >= 0).all() and (numbers < limit).all())
