"""Order, limits, record counts and the watermark hold for random input, failures and rebalances."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from streams.health.outcomes import Filtered
from streams.records import TopicPartition
from streams.settings import AgentSettings, BatchSettings, IntakeSettings
from tests.streams.playing import Run
from tests.streams.worlds import Arrival, Rebalance, Record, World
from tests.virtual_time import VirtualLoop, run_virtually

KINDS = (*("good",) * 12, "unlucky", "broken", "tombstone")
TOPICS = ("high", "middle", "low")

moments = st.floats(0, 2, allow_nan=False).map(lambda seconds: round(seconds, 2))
delays = st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.05, 0.2]), min_size=1, max_size=4)


@st.composite
def agents(draw: st.DrawFn) -> AgentSettings:
    topics = list(TOPICS[: draw(st.integers(1, 3))])
    wait = draw(st.sampled_from([0.0, 0.02, 0.1]))
    is_live = draw(st.booleans())
    overload: dict[str, Any] = {}
    if is_live:
        overload = {
            "overload": "latest",
            "deadline_seconds": draw(st.sampled_from([0.15, 0.5, 2.0])),
            "expired": draw(st.sampled_from(["filter", "dead_letter"])),
        }
    return AgentSettings(
        input=topics[0] if len(topics) == 1 else topics,
        output="doubles",
        model="doubling",
        concurrency=draw(st.integers(1, 3)),
        batch=BatchSettings(max_batch_size=draw(st.integers(1, 6)), max_wait_seconds=wait),
        intake=IntakeSettings(max_records=draw(st.sampled_from([1, 6, 40]))),
        **overload,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    agent = draw(agents())
    partitions = st.builds(TopicPartition, st.sampled_from(agent.inputs), st.integers(0, 2))
    records = st.builds(Record, st.sampled_from(KINDS), st.sampled_from([0.0, 0.0, 0.4, 9.0]))
    return World(
        settings=agent,
        arrivals=draw(
            st.lists(
                st.builds(Arrival, moments, partitions, st.lists(records, max_size=12)),
                max_size=10,
            )
        ),
        rebalances=draw(
            st.lists(
                st.builds(Rebalance, moments, partitions, st.sampled_from([None, 0.0, 0.01, 0.2])),
                max_size=2,
            )
        ),
        output_partitions=draw(st.integers(1, 3)),
        model_seconds=draw(delays),
        host_seconds=draw(delays),
        ack_seconds=draw(delays),
        fails_every=draw(st.sampled_from([0, 0, 2, 3])),
        fetch_seconds=draw(st.sampled_from([0.002, 0.05, 0.3])),
        is_joined=draw(st.booleans()),
        max_inline_seconds=draw(st.sampled_from([0.0, 1.0])),
    )


@given(worlds())
@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_order_limits_accounts_and_watermark_hold(world: World) -> None:
    loop = VirtualLoop()
    run = Run(world, loop)
    run_virtually(loop, run.play())
    run.check()
    for tp, state in run.partitions.items():
        if state.is_held and state.log and state.position > state.started_at:
            assert run.tracker.watermark(tp) == len(state.log)
    moved = {rebalance.tp for rebalance in world.rebalances}
    for tp, state in run.partitions.items():
        for offset, (_, record) in enumerate(state.log if state.is_held else ()):
            check_outcome(run, tp, offset, record, may_repeat=tp in moved)
    check_order(run, moved)
    event(f"joined {world.is_joined}, {world.settings.overload}")
    event(f"answers {bool(run.sink.results)}, rebalances {len(world.rebalances)}")


def check_outcome(
    run: Run, tp: TopicPartition, offset: int, record: Record, may_repeat: bool
) -> None:
    """Check that a record has exactly the outcome that it must have."""
    key = tp, offset
    results, letters = run.sink.results[key], run.sink.letters[key]
    is_filtered = key in run.filtered
    if not may_repeat:
        assert results + letters + is_filtered == 1, key
    assert results or letters or is_filtered, key
    may_expire = run.world.settings.overload == "latest"
    if record.kind == "tombstone":
        assert run.filtered[key] == Filtered.TOMBSTONE
        assert not results
        assert not letters
    elif letters:
        expected = {"broken": "decode_error", "unlucky": "model_error"}.get(record.kind, "")
        assert run.sink.reasons[key] in {expected, "expired" if may_expire else expected}
    elif is_filtered:
        assert may_expire
        assert run.filtered[key] == Filtered.EXPIRED
    else:
        assert record.kind == "good"


def check_order(run: Run, moved: set[TopicPartition]) -> None:
    """Check that the results of a partition are right, in one output partition, and in order."""
    offsets_by_partition: dict[TopicPartition, list[int]] = defaultdict(list)
    for (topic, partition), records in run.sink.records.items():
        for record in records if topic == "doubles" else ():
            value = json.loads(record.value)
            origin = value["origin"]
            tp = TopicPartition(origin["topic"], origin["partition"])
            assert partition == tp.partition % run.world.output_partitions
            assert value["y"] == 2 * (origin["offset"] + 100)
            offsets_by_partition[tp].append(origin["offset"])
    for tp, offsets in offsets_by_partition.items():
        num_steps_back = sum(later <= earlier for earlier, later in pairwise(offsets))
        num_moves = sum(rebalance.tp == tp for rebalance in run.world.rebalances)
        assert num_steps_back <= (num_moves if tp in moved else 0), (tp, offsets)
