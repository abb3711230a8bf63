"""Remembered rows are those of the keys, also when channels change or are forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.anomaly.channel_index import ChannelIndex, Key
from models.anomaly.channel_store import ChannelStore
from models.anomaly.slots import NO_SLOT, Slots
from schemas import SensorReading

READINGS = st.lists(
    st.builds(
        lambda source, channels: SensorReading(
            source_id=source, values=dict.fromkeys(channels, 1.0)
        ),
        st.sampled_from("stu"),
        st.lists(st.sampled_from("abcd"), max_size=4, unique=True),
    ),
    max_size=6,
)


@given(st.lists(READINGS, max_size=12), st.integers(1, 13))
def test_rows_are_those_of_a_look_up_of_every_key(
    steps: list[list[SensorReading]], max_keys: int
) -> None:
    store = ChannelStore(4)
    store.allocate(5)  # of another model
    index, slots = ChannelIndex(Slots(max_keys, "x"), store), Slots[Key](max_keys, "x")
    for step in steps:
        keys = [(reading.source_id, name) for reading in step for name in reading.values]
        assert len(index.claim(step)) == len(keys)
        slots.claim(keys)
        assert index.slots.keys == slots.keys
        assert index.slots.last_seen.tolist() == slots.last_seen.tolist()
        rows = index.rows.tolist()
        assert len(set(rows)) == len(rows) == len(slots.keys)
        expected = [NO_SLOT if slot == NO_SLOT else rows[slot] for slot in slots.find(keys)]
        assert index.find(step) == expected


def test_a_released_index_knows_nothing_and_its_rows_are_free() -> None:
    store = ChannelStore(4)
    index = ChannelIndex(Slots(10, "x"), store)
    rows = index.claim([SensorReading(source_id="s", values={"a": 1.0, "b": 2.0})])
    index.release()
    assert len(index.rows) == 0
    assert sorted(store.allocate(2)) == sorted(rows)
