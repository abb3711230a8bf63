"""The format of snapshots."""

from __future__ import annotations

import zlib

import msgspec
import pytest

from streams.state.snapshot import (
    Snapshot,
    StateKey,
    StateMismatchError,
    decode_snapshot,
    encode_snapshot,
)

KEY = StateKey("score", "readings", 3)


def snapshot(next_offset: int, sequence: int = 0, state: bytes = b"state") -> Snapshot:
    return Snapshot(
        agent=KEY.agent, topic=KEY.topic, partition=KEY.partition, next_offset=next_offset,
        sequence=sequence, model="m", model_version="1", learn_every=16, saved_at_ms=1, state=state,
    )  # fmt: skip


def test_an_encoded_snapshot_is_decoded_again() -> None:
    made = snapshot(160, state=bytes(range(256)) * 100)
    assert decode_snapshot(encode_snapshot(made)) == made


@pytest.mark.parametrize("at", [0, 3, 4, 7, 8, 40, -1])
def test_any_flipped_bit_is_detected(at: int) -> None:
    damaged = bytearray(encode_snapshot(snapshot(160)))
    damaged[at] ^= 1
    with pytest.raises(StateMismatchError, match="damaged"):
        decode_snapshot(bytes(damaged))


@pytest.mark.parametrize("length", [0, 4, 8, 20])
def test_a_truncated_snapshot_is_detected(length: int) -> None:
    with pytest.raises(StateMismatchError, match="damaged"):
        decode_snapshot(encode_snapshot(snapshot(160))[:length])


def test_another_format_is_rejected_by_its_number() -> None:
    later = msgspec.structs.replace(snapshot(160), format_version=3)
    with pytest.raises(StateMismatchError, match="format 3: this build of Penstock reads 2"):
        decode_snapshot(encode_snapshot(later))


def test_equal_numbers_are_stored_in_few_bytes() -> None:
    made = snapshot(160, state=bytes(1_000_000))
    assert len(encode_snapshot(made)) < 1000


def test_a_snapshot_of_the_first_version_is_read() -> None:
    """It is not compressed, and has neither topic id nor chain."""
    made = msgspec.structs.replace(snapshot(160), format_version=1)
    fields = msgspec.structs.asdict(made)
    for name in ("topic_id", "base", "snapshot_id", "follows"):
        del fields[name]
    body = msgspec.msgpack.encode(fields)
    encoded = b"PSTS" + zlib.crc32(body).to_bytes(4, "little") + body
    assert decode_snapshot(encoded) == made
    assert not decode_snapshot(encoded).is_changes
