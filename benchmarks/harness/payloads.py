"""Records of a live load, by index: the same index always gives the same record.

Values are taken in turn from a table made beforehand, so that a sender spends its time on sending.
Record i goes to partition i % P; its key is that of source i % S, where S is a multiple of P, so
every key stays in one partition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from benchmarks.harness.readings import NUM_VALUES

_SEED, _TABLE_ROWS = 4, 4096
_NUM_CLUSTERS = 8

Items = Sequence[dict[str, Any]]


class Payloads:
    """Keys and values of one kind of record."""

    def __init__(self, kind: str, sources: int, partitions: int) -> None:
        """Make the table.

        Args:
            kind: one of `KINDS`.
            sources: number of keys, rounded up to a multiple of `partitions`.
            partitions: of the topic.
        """
        self.num_sources = -(-sources // partitions) * partitions
        self.items = KINDS[kind]()
        encode = msgspec.json.Encoder().encode
        # A JSON object without its opening brace, to be put behind the envelope's fields.
        self._tails = [b"" if "image" in item else encode(item)[1:] for item in self.items]

    def source(self, index: int) -> str:
        """Return a record's source, which is also its key."""
        return f"source-{index % self.num_sources}"

    def key(self, index: int) -> bytes:
        """Return a record's key."""
        return b"source-%d" % (index % self.num_sources)

    def event_id(self, index: int) -> str:
        """Return the producer's id of a record."""
        return f"r-{index}"

    def item(self, index: int) -> dict[str, Any]:
        """Return the fields of a record that its kind has beside the envelope."""
        return self.items[index % len(self.items)]

    def value(self, index: int, event_time_ms: int) -> bytes:
        """Return a record's value: JSON, or an image itself."""
        row = index % len(self.items)
        if not self._tails[row]:
            image: bytes = self.items[row]["image"]
            return image
        return b'{"source_id":"%b","event_time_ms":%d,"event_id":"r-%d",%b' % (
            self.key(index),
            event_time_ms,
            index,
            self._tails[row],
        )


def _readings() -> Items:
    """Return readings of 8 values with three decimals."""
    rows = np.random.default_rng(_SEED).normal(20.0, 5.0, (_TABLE_ROWS, NUM_VALUES)).round(3)
    names = [f"channel_{i}" for i in range(NUM_VALUES)]
    return [{"values": dict(zip(names, row, strict=True))} for row in rows.tolist()]


def _sensors(names: Sequence[str] = ("x", "y")) -> Items:
    """Return readings of some values, one reading in a hundred far from the others."""
    rng = np.random.default_rng(_SEED)
    rows = rng.normal(20.0, 2.0, (_TABLE_ROWS, len(names)))
    rows[rng.random(_TABLE_ROWS) < 0.01, 0] += 100.0
    return [{"values": dict(zip(names, row, strict=True))} for row in rows.round(3).tolist()]


def _wide_sensors() -> Items:
    return _sensors([f"channel_{i}" for i in range(NUM_VALUES)])


def _behavior() -> Items:
    """Return events around a few centers."""
    rng = np.random.default_rng(_SEED)
    centers = rng.uniform(0.0, 100.0, (_NUM_CLUSTERS, 3))
    rows = centers[rng.integers(0, _NUM_CLUSTERS, _TABLE_ROWS)]
    rows = (rows + rng.normal(0.0, 3.0, rows.shape)).round(3)
    names = ("pages", "seconds", "amount_eur")
    return [
        {"action": "view", "features": dict(zip(names, row, strict=True))} for row in rows.tolist()
    ]


def _texts() -> Items:
    from benchmarks.harness.texts import random_texts

    return [{"text": text} for text in random_texts()]


def _frames() -> Items:
    from benchmarks.harness.frames import rendered_frames

    return [{"image": image} for image in rendered_frames()]


KINDS: dict[str, Callable[[], Items]] = {
    "readings": _readings,
    "sensors": _sensors,
    "wide_sensors": _wide_sensors,
    "behavior": _behavior,
    "texts": _texts,
    "frames": _frames,
}
