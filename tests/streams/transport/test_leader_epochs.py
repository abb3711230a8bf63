"""A fetch names the leader epoch of the record below its offset."""

from __future__ import annotations

import struct

from streams.transport.leader_epochs import LeaderEpochs

TP = ("numbers", 0)


def batch(base_offset: int, epoch: int, magic: int = 2, num_bytes: int = 49) -> bytes:
    return struct.pack(">qiib", base_offset, num_bytes, epoch, magic) + bytes(num_bytes - 5)


def test_the_epoch_of_the_record_below_an_offset() -> None:
    epochs = LeaderEpochs()
    epochs.note(TP, batch(0, 3) + batch(10, 3) + batch(20, 5))
    epochs.note(TP, batch(30, 5))
    below = {offset: epochs.below(TP, offset) for offset in (0, 1, 20, 21, 99)}
    assert below == {0: -1, 1: 3, 20: 3, 21: 5, 99: 5}


def test_it_begins_with_the_commits_epoch() -> None:
    epochs = LeaderEpochs()
    epochs.begin(TP, 50, 4)
    assert epochs.below(TP, 50) == 4
    assert epochs.below(TP, 49) == -1  # read again from there only so that a model learns
    epochs.begin(TP, 50, -1)
    assert epochs.below(TP, 50) == -1


def test_an_incomplete_batch_at_the_end_is_read_as_far_as_it_goes() -> None:
    epochs = LeaderEpochs()
    epochs.note(TP, batch(0, 3) + batch(10, 5)[:30] + b"")
    epochs.note(TP, batch(40, 7)[:12])
    assert epochs.below(TP, 99) == 5


def test_old_formats_have_no_epoch() -> None:
    epochs = LeaderEpochs()
    epochs.note(TP, batch(0, 3, magic=1))
    assert epochs.below(TP, 99) == -1


def test_few_epochs_are_kept() -> None:
    epochs = LeaderEpochs()
    epochs.note(TP, b"".join(batch(offset, offset) for offset in range(1000)))
    assert epochs.below(TP, 1000) == 999
    assert epochs.below(TP, 1) == -1
    epochs.forget([TP])
    assert epochs.below(TP, 1000) == -1
