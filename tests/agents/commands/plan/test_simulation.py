"""The simulation against queueing theory, its invariants, and its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.commands.plan.simulation import (
    Loss,
    Service,
    World,
    assign,
    partition_shares,
    simulate,
)

ONE = Service(batch_seconds=0.01, event_seconds=0.0, max_batch_size=1)
#: Workload `d` of the bench.
STUB = Service(batch_seconds=0.005, event_seconds=20e-6, max_batch_size=256)
BARE = World(
    rate=50, shares=[1.0], workers=1, service=ONE, seconds=2000, fetch_seconds=0, delivery_seconds=0
)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7, 0.9])
def test_one_at_a_time_is_an_m_d_1_queue(load: float) -> None:
    """Mean age by Pollaczek and Khinchine: s + load * s / (2 (1 - load))."""
    outcome = simulate(replace(BARE, rate=load / 0.01, seconds=4000))
    expected = 0.01 + load * 0.01 / (2 * (1 - load))
    assert outcome.mean_seconds == pytest.approx(expected, rel=0.08)
    assert outcome.busy_share == pytest.approx(load, rel=0.03)


def test_hardly_any_load_costs_a_fetch_and_a_call() -> None:
    outcome = simulate(World(rate=1, shares=[1.0], workers=1, service=STUB, seconds=3000))
    call = 0.005 + 20e-6
    assert outcome.mean_seconds == pytest.approx(0.004 + 0.004 + call, rel=0.05)
    assert outcome.mean_batch_size == pytest.approx(1.0, abs=0.02)


def test_under_overload_the_capacity_is_answered_and_no_more() -> None:
    outcome = simulate(
        World(rate=2 * STUB.capacity, shares=[1.0], workers=1, service=STUB, seconds=20)
    )
    assert not outcome.keeps_up
    assert outcome.answered == pytest.approx(20 * STUB.capacity, rel=0.01)
    assert outcome.mean_batch_size == pytest.approx(256, rel=0.01)


def test_more_load_is_never_answered_sooner() -> None:
    outcomes = [
        simulate(World(rate=share * STUB.capacity, shares=[1.0], workers=1, service=STUB))
        for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
    ]
    means = [outcome.mean_seconds for outcome in outcomes]
    sizes = [outcome.mean_batch_size for outcome in outcomes]
    assert means == sorted(means)
    assert sizes == sorted(sizes)
    assert all(outcome.keeps_up for outcome in outcomes)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(1, 3000),
    workers=st.integers(1, 6),
    partitions=st.integers(6, 24),
    batch_ms=st.floats(0, 30),
    event_us=st.floats(1, 3000),
    limit=st.integers(1, 300),
    seed=st.integers(0, 1000),
)
def test_what_must_hold_in_every_world(
    rate: float, workers: int, partitions: int, batch_ms: float, event_us: float, limit: int,
    seed: int,
) -> None:  # fmt: skip
    service = Service(
        batch_seconds=batch_ms / 1000, event_seconds=event_us / 1e6, max_batch_size=limit
    )
    shares = partition_shares(partitions, 50, 0.7, seed)
    world = World(
        rate=rate, shares=shares.tolist(), workers=workers, service=service, seconds=5, seed=seed
    )
    outcome = simulate(world)
    assert outcome == simulate(world), "the same seed gives another outcome"
    assert outcome.answered <= outcome.events
    assert outcome.answered <= workers * (5 * service.capacity + limit)
    assert 0 <= outcome.busy_share <= 1 + 1e-9
    assert outcome.mean_batch_size <= limit
    if outcome.answered:
        least = service.batch_seconds + service.event_seconds
        assert outcome.p50_seconds >= least
        assert outcome.p50_seconds <= outcome.p99_seconds <= outcome.max_seconds


def test_a_lost_worker_costs_what_a_calculation_says() -> None:
    """Its partitions wait for 11 s; then two workers answer what three were to."""
    world = World(
        rate=0.5 * 3 * STUB.capacity, shares=[1 / 6] * 6, workers=3, service=STUB, seconds=60,
        loss=Loss(at_seconds=10, unnoticed_seconds=10, stall_seconds=1),
    )  # fmt: skip
    outcome = simulate(world)
    assert outcome.keeps_up
    assert outcome.max_seconds == pytest.approx(11, abs=0.5)
    waiting = 11 * 0.5 * STUB.capacity + 2 * 1 * 0.5 * STUB.capacity
    spare = 2 * STUB.capacity - 1.5 * STUB.capacity
    assert outcome.backlog_seconds == pytest.approx(11 + waiting / spare, rel=0.2)
    assert simulate(replace(world, loss=None)).max_seconds < 0.2


def test_partitions_are_shared_evenly_and_each_has_one_worker() -> None:
    held = assign(48, 5)
    assert sorted(np.concatenate(held).tolist()) == list(range(48))
    assert {len(part) for part in held} == {9, 10}


def test_shares_sum_to_one_and_follow_the_skew() -> None:
    for keys, skew in ((0, 0.0), (1000, 0.0), (1000, 1.0)):
        assert partition_shares(48, keys, skew).sum() == pytest.approx(1)
    even, skewed = partition_shares(48, 100_000, 0.0), partition_shares(48, 100_000, 1.0)
    assert even.max() < 1.3 / 48
    assert skewed.max() > 3 / 48


def test_a_thousand_partitions_and_a_hundred_workers_answer_what_they_can() -> None:
    service = Service(batch_seconds=0.05, event_seconds=0.001, max_batch_size=64)
    rate = 0.7 * 100 * service.capacity
    shares = partition_shares(1000, 0, 0.0)
    world = World(rate=rate, shares=shares.tolist(), workers=100, service=service, seconds=60)
    outcome = simulate(world)
    assert outcome.keeps_up
    assert outcome.events == pytest.approx(60 * rate, rel=0.01)
    lost = simulate(replace(world, loss=Loss(at_seconds=10, unnoticed_seconds=10)))
    assert lost.keeps_up
    assert 11 < lost.backlog_seconds < 60


def test_a_flood_is_simulated_in_part() -> None:
    """Only some of the workers are drawn, the busiest among them."""
    service = Service(batch_seconds=0.001, event_seconds=1e-6, max_batch_size=5000)
    world = World(rate=50e6, shares=[0.01] * 100, workers=100, service=service, seconds=10)
    assert simulate(world).events < 8_000_000
