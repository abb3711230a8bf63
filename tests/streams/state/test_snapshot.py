"""The format of snapshots, and which snapshot a worker continues from."""

from __future__ import annotations

import zlib

import msgspec
import pytest

from streams.state.snapshot import (
    Loaded,
    Snapshot,
    StateKey,
    StateMismatchError,
    decode_snapshot,
    encode_snapshot,
    load_snapshot,
)
from tests.fakes import MemoryStore

KEY = StateKey("score", "readings", 3)


def snapshot(next_offset: int, sequence: int = 0, state: bytes = b"state") -> Snapshot:
    return Snapshot(
        agent=KEY.agent, topic=KEY.topic, partition=KEY.partition, next_offset=next_offset,
        sequence=sequence, model="m", model_version="1", learn_every=16, saved_at_ms=1, state=state,
    )  # fmt: skip


def store_of(*encoded: bytes) -> MemoryStore:
    store = MemoryStore()
    for sequence, each in enumerate(encoded):
        store.save(KEY, sequence, each)
    return store


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
    later = msgspec.structs.replace(snapshot(160), format_version=2)
    with pytest.raises(StateMismatchError, match="format 2: this build of Penstock reads 1"):
        decode_snapshot(encode_snapshot(later))


def test_the_latest_snapshot_below_the_committed_offset_is_loaded() -> None:
    older, newer = snapshot(100, 4), snapshot(200, 5)
    store = store_of(encode_snapshot(older), encode_snapshot(newer))
    assert load_snapshot(store, KEY, 250) == Loaded(newer, 5)
    assert load_snapshot(store, KEY, 200) == Loaded(newer, 5)
    assert load_snapshot(store, KEY, 199) == Loaded(older, 5)


def test_without_a_usable_snapshot_none_is_loaded() -> None:
    assert load_snapshot(MemoryStore(), KEY, 250) == Loaded(None, -1)
    store = store_of(encode_snapshot(snapshot(100, 4)), encode_snapshot(snapshot(200, 5)))
    assert load_snapshot(store, KEY, 99) == Loaded(None, 5, (200, 100))


def test_one_damaged_snapshot_is_skipped_but_not_two() -> None:
    good, bad = encode_snapshot(snapshot(100, 4)), encode_snapshot(snapshot(200, 5))[:-1]
    assert load_snapshot(store_of(good, bad), KEY, 250).snapshot == snapshot(100, 4)
    with pytest.raises(StateMismatchError, match="score, readings:3: a damaged snapshot"):
        load_snapshot(store_of(good[:-1], bad), KEY, 250)


def test_a_snapshot_of_an_earlier_topic_is_never_taken() -> None:
    """Its offset is below the committed one only by chance."""
    old = msgspec.structs.replace(snapshot(100, 4), topic_id="AAAAAAAAAAAAAAAAAAAAAA")
    store = store_of(encode_snapshot(old))
    found = load_snapshot(store, KEY, 250, "BBBBBBBBBBBBBBBBBBBBBB")
    assert found == Loaded(None, 4, num_of_earlier_topic=1)
    assert load_snapshot(store, KEY, 250, old.topic_id) == Loaded(old, 4)
    assert load_snapshot(store, KEY, 250, "") == Loaded(old, 4)


def test_a_snapshot_of_an_earlier_version_has_no_topic_id() -> None:
    made = snapshot(160)
    older = msgspec.msgpack.decode(encode_snapshot(made)[8:])
    del older["topic_id"]
    body = msgspec.msgpack.encode(older)
    encoded = b"PSTS" + zlib.crc32(body).to_bytes(4, "little") + body
    assert decode_snapshot(encoded) == made
    assert load_snapshot(store_of(encoded), KEY, 250, "BBBBBBBBBBBBBBBBBBBBBB").snapshot == made
