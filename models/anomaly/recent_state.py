"""Convert the recent readings of many sources to the arrays of a snapshot and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.anomaly.recent import PER_CHANNEL, Recent
from models.base import ModelError
from models.snapshots import Snapshot

_COUNTS = ("total", "reference_size", "next_reference")


def pack_recent(sources: Sequence[Recent]) -> tuple[dict[str, list[str]], dict[str, NDArray[Any]]]:
    """Return the lists and arrays that `unpack_recent` reads: all sources concatenated."""
    names = {"channels": [name for source in sources for name in source.channels]}
    counts = [
        [len(s.channels), len(s.low), s.total, s.reference_size, s.next_reference] for s in sources
    ]
    none = np.zeros(0)
    arrays: dict[str, NDArray[Any]] = {
        "counts": np.array(counts, np.int64).reshape(len(sources), 2 + len(_COUNTS)),
        # Of a ring buffer that is not full yet, only the filled part is saved.
        "rows": np.concatenate([none, *(s.rows[: s.total].ravel() for s in sources)]),
        "trend": np.concatenate([none, *(s.trend for s in sources)]),
        "box": np.concatenate(
            [none, *(np.stack([s.low, s.span, s.fill]).ravel() for s in sources)]
        ),
    }
    return names, arrays


def unpack_recent(
    saved: Snapshot, num_sources: int, window: int, max_channels: int
) -> list[Recent]:
    """Return the sources in row order.

    Raises:
        ModelError: the counts do not fit together, or not the options or the arrays.
    """
    counts = saved.array("counts", np.zeros(0, np.int64), num_sources, 2 + len(_COUNTS))
    channels, boxed, total, size, _ = counts.T
    fits = (boxed <= channels) & (channels <= max_channels) & (size <= np.minimum(total, window))
    names = saved.list_of("channels")
    if not fits.all() or (counts < 0).any() or channels.sum() != len(names):
        raise ModelError(f"the counts in the snapshot of {saved.kind} do not fit: it is damaged")
    held = np.minimum(total, window) * channels * PER_CHANNEL
    rows = saved.array("rows", np.array([np.nan]), int(held.sum()))
    trend = saved.array("trend", np.zeros(0), len(names))
    box = saved.array("box", np.zeros(0), int(boxed.sum()) * 3 * PER_CHANNEL)
    parts = zip(
        counts.tolist(),
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
    names: NDArray[Any],
    rows: NDArray[Any],
    trend: NDArray[Any],
    box: NDArray[Any],
) -> Recent:
    num_channels, boxed, source.total, source.reference_size, source.next_reference = counts
    source.channels = [str(name) for name in names]
    source.rows = np.full((len(source.rows), num_channels, PER_CHANNEL), np.nan)
    held = min(source.total, len(source.rows))
    source.rows[:held] = rows.reshape(held, num_channels, PER_CHANNEL)
    source.trend = trend.copy()
    source.low, source.span, source.fill = box.reshape(3, boxed, PER_CHANNEL).copy()
    return source
