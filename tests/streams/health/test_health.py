"""The probes' results for given facts; the clock is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from prometheus_client import CollectorRegistry

from streams.assignment import AssignedPartitions
from streams.health.health import LOOP_SECONDS, AgentFacts, Health
from streams.health.metrics import Metrics
from streams.records import TopicPartition

WELL = AgentFacts(
    is_warm=True, num_unfinished=0, num_done=0, delivery_seconds=0.0, call_seconds=0.0
)


@dataclass
class Agent:
    agent: str = "double"
    topics: Sequence[str] = ("numbers",)
    call_limit_seconds: float | None = None
    now: AgentFacts = WELL

    def facts(self) -> AgentFacts:
        return self.now


class World:
    """A worker of one agent, one clock, and a broker that has answered just now."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.agent = Agent()
        self.held = AssignedPartitions({}, Metrics(CollectorRegistry()))
        self.held.num_held = 4
        self.hung: list[str] = []
        self.takeover_problem = ""
        self.health = Health(
            self.held,
            liveness_timeout_seconds=60,
            on_hang=self._on_hang,
            takeover_problem=lambda: self.takeover_problem,
            clock=lambda: self.time,
        )
        self.health.watch([self.agent])
        self.is_answering = self.is_asking = True

    async def _on_hang(self, why: str) -> None:
        self.hung.append(why)

    async def pass_seconds(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.time += 1
            if self.is_asking:
                self.health.consumer.asked = self.time
            if self.is_answering:
                self.health.consumer.answered = self.time
            await self.health.check()

    def wait_for_fetch(self, topic: str) -> None:
        self.held.observe_lag(TopicPartition(topic, 0), 1, is_waiting=True)

    def set(self, **facts: object) -> None:
        self.agent.now = replace(self.agent.now, **facts)  # type: ignore[arg-type]


@pytest.fixture
async def world() -> World:
    made = World()
    await made.pass_seconds(1)
    return made


async def test_a_healthy_worker_is_live_and_ready(world: World) -> None:
    assert world.health.live().ok
    assert world.health.ready().ok
    assert world.health.ready().facts["partitions"] == 4


async def test_a_starting_worker_is_live_and_not_ready() -> None:
    world = World()
    world.held.num_held = 0
    world.set(is_warm=False)
    assert world.health.live().ok
    assert world.health.ready().reasons == [
        "agent double: its model is not loaded",
        "no partition is assigned to this worker",
        "the broker has not answered yet",
    ]


async def test_a_worker_that_waits_for_an_earlier_owner_is_not_ready(world: World) -> None:
    world.takeover_problem = "waiting for 7 s for the committed offsets of group numbers: timed out"
    assert world.health.ready().reasons == [world.takeover_problem]
    assert world.health.live().ok
    world.takeover_problem = ""
    assert world.health.ready().ok


async def test_a_worker_is_not_ready_before_all_learned_state_is_restored(world: World) -> None:
    learned = [TopicPartition("numbers", 0), TopicPartition("numbers", 1)]
    world.held.learning_topics = frozenset(["numbers"])
    world.held.assigned([*learned, TopicPartition("others", 0)])
    assert world.health.ready().reasons == ["the state of 2 partitions is not restored yet"]
    world.held.tracker.begin(learned[0], 5, 5)
    assert world.health.ready().facts["partitions_not_restored"] == 1
    world.held.tracker.begin(learned[1], 0, 0)
    assert world.health.ready().ok


async def test_an_idle_worker_lives_for_ever(world: World) -> None:
    await world.pass_seconds(10_000)
    assert world.health.live().ok


async def test_an_agent_with_unfinished_records_and_no_progress_is_stuck(world: World) -> None:
    world.set(num_unfinished=3)
    await world.pass_seconds(60)
    assert world.health.live().ok
    await world.pass_seconds(2)
    (reason,) = world.health.live().reasons
    assert reason.startswith("agent double has records to work on and has finished none for 6")
    assert reason in world.health.ready().reasons


async def test_an_agent_that_does_not_fetch_waiting_records_is_stuck(world: World) -> None:
    world.wait_for_fetch("others")
    await world.pass_seconds(100)
    assert world.health.live().ok
    world.wait_for_fetch("numbers")
    await world.pass_seconds(62)
    assert not world.health.live().ok


async def test_one_record_at_a_time_is_progress(world: World) -> None:
    for done in range(1, 10):
        world.set(num_unfinished=3, num_done=done)
        await world.pass_seconds(55)
        assert world.health.live().ok


async def test_a_stuck_agent_that_makes_progress_is_live_again(world: World) -> None:
    world.set(num_unfinished=3)
    await world.pass_seconds(62)
    assert not world.health.live().ok
    world.set(num_done=1)
    await world.pass_seconds(1)
    assert world.health.live().ok


async def test_during_an_outage_the_worker_is_live_and_not_ready(world: World) -> None:
    world.set(num_unfinished=3)
    world.is_answering = False
    world.health.consumer.last_error = "connection refused"
    await world.pass_seconds(1000)
    assert world.health.live().ok
    (reason,) = world.health.ready().reasons
    assert reason == "the broker has not answered for 1000 s (connection refused)"
    # It counts from the broker's return, not from the outage's begin.
    world.is_answering = True
    world.health.consumer.last_error = ""
    await world.pass_seconds(55)
    assert world.health.live().ok
    assert world.health.ready().ok
    await world.pass_seconds(10)
    assert not world.health.live().ok


async def test_a_consumer_that_sends_no_requests_is_stuck(world: World) -> None:
    """Its thread has ended, say: no broker will ever answer what is not asked."""
    world.wait_for_fetch("numbers")
    world.is_answering = world.is_asking = False
    await world.pass_seconds(90 + 62)
    assert not world.health.live().ok


async def test_the_begin_and_end_of_an_outage_are_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for is_answering in (False, True):
        world.is_answering = is_answering
        await world.pass_seconds(100)
    lines = [r.getMessage() for r in caplog.records if r.name == "streams.health.health"]
    assert [line.split(" for ")[0].split(",")[0] for line in lines] == [
        "the broker has not answered",
        "the broker answers again",
    ]


async def test_a_long_rebalance_is_no_outage(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.held.num_held, world.is_answering = 0, False
    await world.pass_seconds(50)
    assert world.health.live().ok
    assert "no partition is assigned to this worker" in world.health.ready().reasons
    assert not caplog.records


async def test_unacknowledged_results_are_waited_for_while_they_are_sent(
    world: World,
) -> None:
    world.health.producer.first_asked = world.time
    for seconds in range(0, 1000, 10):
        world.set(num_unfinished=3, delivery_seconds=float(seconds))
        world.health.producer.asked = world.time
        world.health.producer.last_error = "KAFKA_STORAGE_ERROR"
        await world.pass_seconds(10)
        assert world.health.live().ok
    (reason,) = world.health.ready().reasons
    assert "agent double: the broker has not acknowledged results for 990 s" in reason
    assert "KAFKA_STORAGE_ERROR" in reason
    # A producer that has stopped asking will never be answered.
    await world.pass_seconds(90 + 62)
    assert not world.health.live().ok


async def test_a_call_over_its_limit_hangs_and_is_reported_once(world: World) -> None:
    world.agent.call_limit_seconds = 5
    world.set(call_seconds=4.9)
    await world.pass_seconds(1)
    assert world.hung == []
    assert world.health.live().ok
    world.set(call_seconds=5.1)
    await world.pass_seconds(3)
    assert len(world.hung) == 1
    assert world.health.live().reasons == world.hung
    world.set(call_seconds=0.0)
    await world.pass_seconds(1)
    assert not world.health.live().ok  # the worker is ending


async def test_an_event_loop_that_does_not_turn_is_not_live(world: World) -> None:
    world.time += LOOP_SECONDS + 1
    assert world.health.live().reasons == ["the event loop has not turned for 31 s"]
    await world.pass_seconds(1)
    assert world.health.live().ok


async def test_a_stopping_worker_is_live_and_not_ready(world: World) -> None:
    world.set(num_unfinished=3)
    world.health.stopping()
    world.time += 1000
    world.health.consumer.answered = world.time
    assert world.health.live().ok
    assert world.health.ready().reasons == ["the worker is stopping"]
