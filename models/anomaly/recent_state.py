"""Convert the recent readings of many sources to the arrays of a snapshot and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.anomaly.recent import PER_CHANNEL, Recent
from models.base import ModelError
from models.snapshots import Snapshot

Ints = NDArray[np.int64]

_NONE = np.zeros(0)
_COUNTS = ("total", "reference_size", "next_reference")


def pack_recent(sources: Sequence[Recent]) -> tuple[dict[str, list[str]], dict[str, NDArray[Any]]]:
    """Return the lists and arrays that `unpack_recent` reads: all sources concatenated."""
    names, arrays = _pack_shapes(sources)
    # Of a ring buffer that is not full yet, only the filled part is saved.
    arrays["rows"] = np.concatenate([_NONE, *(s.rows[: s.total].ravel() for s in sources)])
    return names, arrays


def _pack_shapes(
    sources: Sequence[Recent],
) -> tuple[dict[str, list[str]], dict[str, NDArray[Any]]]:
    """Return all but the rows."""
    names = {"channels": [name for source in sources for name in source.channels]}
    counts = [
        [len(s.channels), s.box.shape[1], s.total, s.reference_size, s.next_reference]
        for s in sources
    ]
    arrays: dict[str, NDArray[Any]] = {
        "counts": np.array(counts, np.int64).reshape(len(sources), 2 + len(_COUNTS)),
        "trend": np.concatenate([_NONE, *(s.trend for s in sources)]),
        "box": np.concatenate([_NONE, *(s.box.ravel() for s in sources)]),
    }
    return names, arrays


def pack_latest(
    sources: Sequence[Recent], totals: Ints
) -> tuple[dict[str, list[str]], dict[str, NDArray[Any]]]:
    """Return the lists and arrays that `unpack_latest` reads: what came after those totals (n,).

    Of a source whose channels are others since, or of which the total is 0, all is returned.
    """
    window = [len(source.rows) for source in sources]
    before = [
        0 if source.reshaped_at > total else total
        for source, total in zip(sources, totals.tolist(), strict=True)
    ]
    counts = [
        min(source.total - total, size)
        for source, total, size in zip(sources, before, window, strict=True)
    ]
    names, arrays = _pack_shapes(sources)
    pieces = (s.latest(count).ravel() for s, count in zip(sources, counts, strict=True))
    arrays["rows"] = np.concatenate([_NONE, *pieces])
    arrays["added"] = np.array(counts, np.int64)
    arrays["is_whole"] = np.array(before, np.int64) == 0
    return names, arrays


def unpack_latest(
    saved: Snapshot, present: Sequence[Recent | None], window: int, max_channels: int
) -> list[Recent]:
    """Return the sources after what `pack_latest` returned came to them.

    Args:
        saved: the changes.
        present: each source as it was at those totals; None for a new one. They are changed.
        window: as of `Recent`.
        max_channels: as of `Recent`.

    Raises:
        ModelError: the counts do not fit together, or not the options or the arrays.
    """
    added = saved.array("added", np.zeros(0, np.int64), len(present))
    is_whole = saved.array("is_whole", np.zeros(0, np.bool_), len(present))
    sources = _unpack(saved, len(present), window, max_channels, added)
    for at, (old, source) in enumerate(zip(present, sources, strict=True)):
        if is_whole[at]:
            continue
        if old is None or old.channels != source.channels:
            raise ModelError(f"the channels in the changes of {saved.kind} do not fit")
        latest = source.latest(int(added[at]))
        source.rows, source.total = old.rows, source.total - len(latest)
        source.append(latest)
    return sources


def unpack_recent(
    saved: Snapshot, num_sources: int, window: int, max_channels: int
) -> list[Recent]:
    """Return the sources in row order.

    Raises:
        ModelError: the counts do not fit together, or not the options or the arrays.
    """
    return _unpack(saved, num_sources, window, max_channels, None)


def _unpack(
    saved: Snapshot, num_sources: int, window: int, max_channels: int, added: Ints | None
) -> list[Recent]:
    """Return the sources with what is saved of their rows: all, or the last `added` (n,)."""
    counts = saved.array("counts", np.zeros(0, np.int64), num_sources, 2 + len(_COUNTS))
    channels, boxed, total, size, _ = counts.T
    fits = (boxed <= channels) & (channels <= max_channels) & (size <= np.minimum(total, window))
    names = saved.list_of("channels")
    if not fits.all() or (counts < 0).any() or channels.sum() != len(names):
        raise ModelError(f"the counts in the snapshot of {saved.kind} do not fit: it is damaged")
    num_rows = np.minimum(total, window) if added is None else added
    if (num_rows < 0).any() or (num_rows > np.minimum(total, window)).any():
        raise ModelError(f"the counts in the snapshot of {saved.kind} do not fit: it is damaged")
    held = num_rows * channels * PER_CHANNEL
    rows = saved.array("rows", np.array([np.nan]), int(held.sum()))
    trend = saved.array("trend", np.zeros(0), len(names))
    box = saved.array("box", np.zeros(0), int(boxed.sum()) * 3 * PER_CHANNEL)
    parts = zip(
        counts.tolist(),
        num_rows.tolist(),
        [added is not None] * num_sources,
        np.split(np.array(names, object), np.cumsum(channels)[:-1]),
        np.split(rows, np.cumsum(held)[:-1]),
        np.split(trend, np.cumsum(channels)[:-1]),
        np.split(box, np.cumsum(boxed * 3 * PER_CHANNEL)[:-1]),
        strict=False,
    )
    return [_fill(Recent(window, max_channels), *part) for part in parts]


def _fill(
    source: Recent,
    counts: list[int],
    num_rows: int,
    is_latest: bool,
    names: NDArray[Any],
    rows: NDArray[Any],
    trend: NDArray[Any],
    box: NDArray[Any],
) -> Recent:
    num_channels, boxed, source.total, source.reference_size, source.next_reference = counts
    source.channels = [str(name) for name in names]
    source.rows = np.full((len(source.rows), num_channels, PER_CHANNEL), np.nan)
    features = rows.reshape(num_rows, num_channels, PER_CHANNEL)
    if is_latest:
        source.total -= num_rows
        source.append(features)
    else:
        source.rows[:num_rows] = features
    source.trend = trend.copy()
    source.box = box.reshape(3, boxed, PER_CHANNEL).copy()
    return source
