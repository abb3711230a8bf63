"""Convert the `SourceWindow`s of a model to the arrays of a snapshot and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.anomaly.source_window import LARGEST, SourceWindow
from models.base import ModelError
from models.snapshots import Snapshot

Arrays = dict[str, NDArray[Any]]

_COUNTS = 5


def pack_windows(windows: Sequence[SourceWindow]) -> tuple[dict[str, list[str]], Arrays]:
    """Return the lists and arrays that `unpack_windows` reads: all windows concatenated."""
    counts = [[len(w.channels), len(w.rows), int(w.is_ready), w.total, w.num_odd] for w in windows]
    none = np.zeros(0)
    scales = [np.concatenate([w.mean, w.variance]) for w in windows]
    arrays: Arrays = {
        "window_counts": np.array(counts, np.int64).reshape(len(windows), _COUNTS),
        "window_rows": np.concatenate([none, *(w.rows.ravel() for w in windows)]),
        "window_scales": np.concatenate([none, *scales]),
    }
    return {"channels": [name for w in windows for name in w.channels]}, arrays


def unpack_windows(saved: Snapshot, windows: Sequence[SourceWindow]) -> None:
    """Fill empty windows from a snapshot.

    Raises:
        ModelError: the counts do not fit together, or not the options or the arrays.
    """
    counts = saved.array("window_counts", np.zeros(0, np.int64), len(windows), _COUNTS)
    channels, held, is_ready, _, _ = counts.T
    names = saved.list_of("channels")
    damaged = ModelError(f"the counts in the snapshot of {saved.kind} do not fit: it is damaged")
    if (counts < 0).any() or len(names) != int(channels.sum()):
        raise damaged
    rows = saved.array("window_rows", np.array([np.nan]), int((channels * held).sum()))
    scales = saved.array("window_scales", np.zeros(0), int(2 * (channels * (is_ready > 0)).sum()))
    if (
        np.abs(scales).max(initial=0.0) > LARGEST**2
        or np.nanmax(np.abs(rows), initial=0.0) > LARGEST
    ):
        raise ModelError(f"the values in the snapshot of {saved.kind} are out of range")
    at_name = at_row = at_scale = 0
    for window, (num, kept, ready, total, odd) in zip(windows, counts.tolist(), strict=True):
        window.channels = names[at_name : at_name + num]
        window.rows = rows[at_row : at_row + num * kept].reshape(kept, num)
        window.total, window.num_odd = total, odd
        at_name, at_row = at_name + num, at_row + num * kept
        if ready:
            window.mean, window.variance = scales[at_scale : at_scale + 2 * num].reshape(2, num)
            at_scale += 2 * num
        is_kept = kept == window.length - 1 if ready else kept < window.min_values
        if num > window.max_channels or (ready and not num) or not is_kept:
            raise damaged
        if (window.variance < 0).any():
            raise damaged
