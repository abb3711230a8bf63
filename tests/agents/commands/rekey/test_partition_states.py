"""What a partition's model has learned, read from a chain of snapshots."""

from __future__ import annotations

from typing import Any, cast

from agents.commands.rekey.partition_states import StateReader
from models.anomaly.robust_zscore import RobustZScore
from schemas import SensorReading
from streams.decoding import Decoder
from streams.kafka.positions import CommittedPosition
from streams.kafka.reader import Bounds, TopicReader
from streams.online import OnlineRunner
from streams.records import TopicPartition
from streams.state.chain import Chain
from streams.state.snapshot import StateKey, decode_snapshot, encode_snapshot
from tests.fakes import MemoryStore

TP = TopicPartition("readings", 0)
KEY = StateKey("score", *TP)
NO_DECODER = cast(Decoder[Any], None)


class FakeReader:
    """A topic whose records up to an offset are answered."""

    def __init__(self, committed: int) -> None:
        self.committed = committed

    def committed_positions(self, topic: str, count: int) -> list[CommittedPosition]:
        return [CommittedPosition(self.committed, "")] * count

    def bounds(self, topic: str, count: int) -> list[Bounds]:
        return [Bounds(0, 10_000)] * count


def make() -> RobustZScore:
    return RobustZScore(window=64, min_values=8)


def test_the_state_is_that_of_the_last_changes() -> None:
    store, runner, chain = MemoryStore(), OnlineRunner(make, "cpu"), Chain(-1)
    runner.start(TP, 0)
    states: list[tuple[int, bytes]] = []
    for step in range(4):
        state = runner._states[TP]
        state.model.learn_batch(
            [SensorReading(source_id=f"s{step}{i}", values={"v": float(i)}) for i in range(16)]
        )
        state.learned_to = 16 * (step + 1)
        learned = runner.learned(TP, chain.since)
        assert learned is not None
        snapshot = chain.snapshot(KEY, "", learned)
        encoded = encode_snapshot(snapshot)
        store.save(KEY, snapshot.sequence, encoded, snapshot.base)
        chain.stored(snapshot, learned.mark, 0)
        states.append((snapshot.next_offset, state.model.snapshot()))
    for offset, expected in states:
        reader = cast(TopicReader, FakeReader(offset))
        (found,) = StateReader(store, reader, NO_DECODER, make).read("score", "readings", 1, "")
        assert found.state == expected
        assert len(found.learned) == offset
    is_changes = [decode_snapshot(encoded).is_changes for encoded in store.kept[KEY]]
    assert is_changes == [False, True, True, True]
