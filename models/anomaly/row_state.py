"""Snapshots whose arrays have a row, or a piece, for each (source, channel) key.

The array `values` has a piece for each key: as many values as the key's window holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.keyed_state import merge_last_seen, most_recent, require_distinct
from models.snapshots import Snapshot, save_array

Ints = NDArray[np.int64]

#: Arrays that are not by row.
_STEP, _VALUES = "step", "values"
_DTYPES = ("<f8", "<f4", "<i8")
_INTS = np.zeros(0, np.int64)


def values_of_sources(saved: Snapshot) -> dict[str, int]:
    """Return how many values of each source were learned, over its channels."""
    sources = saved.list_of("sources")
    counts: Counter[str] = Counter()
    totals = saved.array("totals", _INTS, len(sources))
    for source_id, total in zip(sources, totals.tolist(), strict=True):
        counts[source_id] += total
    return dict(counts)


def select_rows_of(saved: Snapshot, source_ids: Collection[str], window: int) -> Snapshot:
    """Return a snapshot with the rows of these sources only; a window holds `window` values."""
    kept = [row for row, name in enumerate(saved.list_of("sources")) if name in source_ids]
    return _with_rows(saved, [saved], np.array(kept, np.int64), window)


def merge_rows(parts: Sequence[Snapshot], max_keys: int, window: int) -> Snapshot:
    """Return a snapshot with the rows of all; beyond `max_keys`, the latest seen.

    Args:
        parts: at least one, all of one model with the same options.
        max_keys: rows at most.
        window: values that a window holds at most.

    Raises:
        ModelError: a key occurs twice, or an array is damaged.
    """
    names = [list(zip(p.list_of("sources"), p.list_of("channels"), strict=True)) for p in parts]
    require_distinct(parts[0].kind, [key for keys in names for key in keys])
    seen = [
        (p.array("last_seen", _INTS, len(keys)), int(p.array(_STEP, _INTS, 1)[0]))
        for p, keys in zip(parts, names, strict=True)
    ]
    last_seen, step = merge_last_seen(seen)
    rows = most_recent(last_seen, max_keys)
    merged = _with_rows(parts[0], parts, rows, window)
    merged.arrays["last_seen"] = save_array(last_seen[rows])
    merged.arrays[_STEP] = save_array(np.array([step], np.int64))
    return merged


def _with_rows(like: Snapshot, parts: Sequence[Snapshot], rows: Ints, window: int) -> Snapshot:
    """Return a snapshot with these rows of the parts, which are counted one after the other."""
    joined = {name: [each for p in parts for each in p.list_of(name)] for name in like.names}
    arrays = {}
    for name, array in like.arrays.items():
        if name == _STEP:
            arrays[name] = array
            continue
        whole = np.concatenate([_raw(part, name) for part in parts])
        held = np.minimum(np.concatenate([_raw(p, "totals") for p in parts]), window)
        if len(whole) != (held.sum() if name == _VALUES else len(joined["sources"])):
            raise ModelError(f"array {name!r} in a snapshot of {like.kind} has another length")
        if name == _VALUES:
            pieces = np.split(whole, np.cumsum(held)[:-1])
            arrays[name] = save_array(np.concatenate([whole[:0], *(pieces[row] for row in rows)]))
        else:
            arrays[name] = save_array(whole[rows])
    return Snapshot(
        kind=like.kind,
        version=like.version,
        options=like.options,
        names={name: [values[row] for row in rows.tolist()] for name, values in joined.items()},
        arrays=arrays,
    )


def _raw(saved: Snapshot, name: str) -> NDArray[Any]:
    array = saved.arrays.get(name)
    if array is None or array.dtype not in _DTYPES:
        raise ModelError(f"array {name!r} in a snapshot of {saved.kind} is absent or damaged")
    try:
        return np.frombuffer(array.data, array.dtype).reshape(array.shape)
    except ValueError as error:
        raise ModelError(f"array {name!r} in a snapshot of {saved.kind}: {error}") from error
