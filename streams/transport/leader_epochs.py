"""The leader epochs of fetched records, with which a broker notices that a log was cut (KIP-320).

Each leader of a partition has an epoch, and each batch of records names the epoch in which it was
written. A fetch names the epoch of the record below its offset: if the leader's log has another
one there, the log was cut and written anew, and the broker answers with the offset from which on it
differs. Without that, an offset that exists again after a cut looks right.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from streams.kafka.positions import UNKNOWN_EPOCH

#: The start of a batch: base offset, length of the rest, leader epoch.
_BATCH = struct.Struct(">qii")
_LENGTH_ENDS_AT = 12
#: Batches of format v0 and v1 have no epoch; the format's number is in this byte.
_MAGIC_AT, _V2 = 16, 2
#: A partition's latest changes of leader; older ones are below all offsets that matter.
_MAX_EPOCHS = 16

Partition = tuple[str, int]


class LeaderEpochs:
    """The leader epochs of what one consumer has fetched."""

    def __init__(self) -> None:
        self._epochs: dict[Partition, list[tuple[int, int]]] = {}
        """By partition: first offset and epoch, ascending."""

    def note(self, tp: Partition, records: bytes) -> None:
        """Note the epochs of a partition's fetched batches.

        Args:
            tp: the partition.
            records: as fetched; the last batch may be incomplete.
        """
        at, end = 0, len(records) - _MAGIC_AT
        while at < end:
            base_offset, length, epoch = _BATCH.unpack_from(records, at)
            if records[at + _MAGIC_AT] == _V2:
                self._add(tp, base_offset, epoch)
            at += _LENGTH_ENDS_AT + length

    def _add(self, tp: Partition, offset: int, epoch: int) -> None:
        known = self._epochs.setdefault(tp, [])
        if known and (known[-1][1] == epoch or offset <= known[-1][0]):
            return
        known.append((offset, epoch))
        del known[:-_MAX_EPOCHS]

    def below(self, tp: Partition, offset: int) -> int:
        """Return the epoch of the record below an offset, -1 if it is not known."""
        for first, epoch in reversed(self._epochs.get(tp, ())):
            if first < offset:
                return epoch
        return UNKNOWN_EPOCH

    def begin(self, tp: Partition, offset: int, epoch: int) -> None:
        """Note the epoch of the record below an offset, from which a partition is read."""
        self._epochs[tp] = [(offset - 1, epoch)] if epoch != UNKNOWN_EPOCH else []

    def forget(self, partitions: Sequence[Partition] | None = None) -> None:
        """Forget the epochs of partitions, or of all."""
        for tp in list(self._epochs) if partitions is None else partitions:
            self._epochs.pop(tp, None)
