"""Snapshots of online models in a topic, on both brokers."""

from __future__ import annotations

import os
import uuid

import pytest
from confluent_kafka import Consumer, Producer

from streams.kafka.admin import create_topics
from streams.kafka.reader import Bounds, TopicReader, bounds_of
from streams.settings import TopicSettings
from streams.state import topic_store
from streams.state.snapshot import StateKey, StateStoreError
from streams.state.topic_store import PART_BYTES, TOPIC_CONFIG, TopicStore


def make_store(
    bootstrap: str, partitions: int = 4, config: dict[str, str] | None = None
) -> TopicStore:
    kafka = {"bootstrap.servers": bootstrap, "group.id": "states"}
    topic = f"states-{uuid.uuid4().hex[:8]}"
    wanted = TopicSettings(partitions=partitions, config={**TOPIC_CONFIG, **(config or {})})
    create_topics(kafka, {topic: wanted})
    return TopicStore(kafka, {"score": topic, "cluster": topic})


KEY = StateKey("score", "readings", 3)


def test_the_latest_two_snapshots_are_kept(bootstrap: str) -> None:
    store = make_store(bootstrap)
    assert list(store.saved(KEY)) == []
    for sequence in range(4):
        store.save(KEY, sequence, b"%d" % sequence)
    assert list(store.saved(KEY)) == [b"3", b"2"]


def test_earlier_places_are_searched_only_for_what_should_be_there(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new group on many partitions would search for hours otherwise."""
    store = make_store(bootstrap)
    searched: list[int] = []

    def count(consumer: Consumer, topic: str, partition: int, seconds: float) -> Bounds:
        searched.append(partition)
        return bounds_of(consumer, topic, partition, seconds)

    monkeypatch.setattr(topic_store, "bounds_of", count)
    assert list(store.saved(KEY, is_expected=False)) == []
    assert searched == [3]
    assert list(store.saved(KEY)) == []
    assert searched == [3, 3, 1, 0]


def test_keys_that_share_a_partition_keep_their_own_snapshots(bootstrap: str) -> None:
    store = make_store(bootstrap, partitions=1)
    keys = [KEY, KEY._replace(partition=33), KEY._replace(partition=7, agent="cluster")]
    for sequence in range(30):
        for key in keys:
            store.save(key, sequence, f"{key} {sequence}".encode())
    for _ in range(300):
        store.save(keys[1], 0, b"many")
    for key in (keys[0], keys[2]):
        assert list(store.saved(key)) == [f"{key} 29".encode(), f"{key} 28".encode()]
    assert store.delete(keys[0]) == 2
    assert list(store.saved(keys[0])) == []
    assert next(store.saved(keys[1])) == b"many"


def test_large_snapshots_are_cut_into_parts(bootstrap: str) -> None:
    store = make_store(bootstrap)
    large, larger = os.urandom(PART_BYTES + 1), os.urandom(2 * PART_BYTES)
    store.save(KEY, 0, large)
    store.save(KEY, 1, larger)
    assert list(store.saved(KEY)) == [larger, large]
    store.save(KEY, 2, b"small again")
    assert list(store.saved(KEY)) == [b"small again", larger]


def test_an_unfinished_snapshot_leaves_the_earlier_one(bootstrap: str) -> None:
    store = make_store(bootstrap)
    store.save(KEY, 0, b"a" * 3 * PART_BYTES)
    store.save(KEY, 1, b"b")
    producer = Producer({"bootstrap.servers": bootstrap})
    place = store._place(KEY)
    # As left by a worker that died while it wrote the third one, into the first one's slot.
    producer.produce(
        place.topic, b"\x93\xc4\x01m\x03\xc4\x01c", b"score/readings/3/0/0", place.partition
    )
    assert producer.flush(10) == 0
    assert list(store.saved(KEY)) == [b"b"]


def save_chain(store: TopicStore, base: int, changes: int, size: int = 10) -> list[bytes]:
    """Save a whole snapshot and changes; return them, the latest first."""
    parts = [b"%d:%d " % (base, number) + os.urandom(size) for number in range(1 + changes)]
    for number, encoded in enumerate(parts):
        store.save(KEY, base + number, encoded, base)
    return parts[::-1]


def live_changes(bootstrap: str, store: TopicStore) -> list[bytes]:
    """Return the keys of changes whose last record is no tombstone, as compaction would."""
    place = store._place(KEY)
    values: dict[bytes, bytes | None] = {}
    with TopicReader({"bootstrap.servers": bootstrap}, "look") as reader:
        bounds = reader.bounds(place.topic, place.partition + 1)[place.partition]
        for messages in reader.read(place.topic, place.partition, bounds):
            for message in messages:
                record_key = message.key()
                assert isinstance(record_key, bytes)
                values[record_key] = message.value()
    return [key for key, value in values.items() if value is not None and b"/c" in key]


def test_a_chain_is_read_the_latest_first(bootstrap: str) -> None:
    store = make_store(bootstrap)
    first = save_chain(store, 0, changes=3, size=PART_BYTES + 1)
    assert list(store.saved(KEY)) == first
    second = save_chain(store, 5, changes=70)  # more records than the first read has
    assert list(store.saved(KEY)) == [*second, *first]
    third = save_chain(store, 76, changes=0)
    assert list(store.saved(KEY)) == [*third, *second]
    assert store.delete(KEY) == 72
    assert list(store.saved(KEY)) == []
    assert live_changes(bootstrap, store) == []


@pytest.mark.parametrize("is_restarted", [False, True])
def test_changes_of_a_replaced_chain_get_tombstones(bootstrap: str, is_restarted: bool) -> None:
    store = make_store(bootstrap)
    save_chain(store, 0, changes=3, size=PART_BYTES + 1)
    second = save_chain(store, 5, changes=2)
    assert len(live_changes(bootstrap, store)) == 3 * 2 + 2
    if is_restarted:
        store = TopicStore(store._kafka, store._topics)
    third = save_chain(store, 8, changes=1)
    assert list(store.saved(KEY)) == [*third, *second]
    prefix = b"score/readings/3/"
    assert sorted(live_changes(bootstrap, store)) == [
        prefix + b"0/c1/0",
        prefix + b"1/c1/0",
        prefix + b"1/c2/0",
    ]


def test_changes_that_are_not_complete_are_left_out(bootstrap: str) -> None:
    store = make_store(bootstrap)
    latest = save_chain(store, 0, changes=2, size=PART_BYTES + 1)
    place = store._place(KEY)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(place.topic, None, b"score/readings/3/0/c2/1", place.partition)
    assert producer.flush(10) == 0
    assert list(store.saved(KEY)) == latest[1:]


def test_a_worker_that_dies_between_changes_and_a_whole_snapshot(bootstrap: str) -> None:
    """Half of the whole one is written, into the slot of the chain before the last."""
    store = make_store(bootstrap)
    save_chain(store, 0, changes=1)
    kept = save_chain(store, 3, changes=2)
    whole = os.urandom(2 * PART_BYTES)
    store.save(KEY, 6, whole, 6)
    assert list(store.saved(KEY)) == [whole, *kept]
    place = store._place(KEY)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(place.topic, None, b"score/readings/3/0/1", place.partition)
    assert producer.flush(10) == 0
    assert list(store.saved(KEY)) == kept


@pytest.mark.kafka
def test_a_missing_topic_is_an_error(kafka_bootstrap: str) -> None:
    kafka = {"bootstrap.servers": kafka_bootstrap}
    store = TopicStore(kafka, {"score": "no-such-topic"})
    with pytest.raises(StateStoreError, match="no topic no-such-topic: create it with `"):
        list(store.saved(KEY))


@pytest.mark.kafka
def test_a_topic_with_a_lower_record_limit_is_an_error(kafka_bootstrap: str) -> None:
    store = make_store(kafka_bootstrap, config={"max.message.bytes": "10000"})
    store.save(KEY, 0, b"a")
    with pytest.raises(StateStoreError, match=r"raise its max\.message\.bytes above 900,000"):
        store.save(KEY, 1, os.urandom(20_000))
    assert list(store.saved(KEY)) == [b"a"]
