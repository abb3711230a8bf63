"""Workers, partitions, GPUs and memory follow from speeds, rate and keys."""

from __future__ import annotations

import math

import pytest

from agents.commands.plan.sizing import TARGET_UTILIZATION, Demand, Plan, make_plan
from agents.commands.plan.speeds import AgentSpeed
from agents.errors import UserError


def speed(**changes: object) -> AgentSpeed:
    known = {
        "agent": "score", "model": "m", "batch_seconds": 0.005, "event_seconds": 100e-6,
        "engine_event_seconds": 0.0, "max_batch_size": 256, "process_bytes": 300_000_000,
    }  # fmt: skip
    return AgentSpeed(**{**known, **changes})  # type: ignore[arg-type]


def plan(rate: float, *speeds: AgentSpeed, **wanted: object) -> Plan:
    return make_plan(speeds or [speed()], Demand(rate=rate, **wanted))  # type: ignore[arg-type]


def test_workers_follow_from_the_rate_and_the_true_rate() -> None:
    one = speed().service.capacity
    for rate in (100.0, 5_000.0, 50_000.0):
        found = plan(rate)
        assert found.workers == max(math.ceil(rate / (TARGET_UTILIZATION * one)), 1)
        assert found.utilization <= TARGET_UTILIZATION
        assert found.partitions == 2 * found.workers
        assert found.agents[0].steady.keeps_up
        assert not found.warnings


def test_more_rate_needs_no_fewer_workers() -> None:
    counts = [plan(rate).workers for rate in (1e3, 3e3, 1e4, 3e4, 1e5)]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_tighter_age_needs_more_workers() -> None:
    rate = 0.69 * 2 * speed().service.capacity
    loose, tight = plan(rate), plan(rate, age_budget_seconds=0.035)
    assert loose.agents[0].steady.p99_seconds > 0.035
    assert tight.agents[0].steady.p99_seconds <= 0.035
    assert tight.workers > loose.workers
    assert not tight.warnings


def test_an_age_that_no_number_of_workers_reaches_is_said() -> None:
    found = plan(1000.0, age_budget_seconds=0.001)
    assert any("over the budget of 0.001 s" in warning for warning in found.warnings)
    assert found.workers < 10


def test_one_hot_key_is_said() -> None:
    rate = 5 * speed().service.capacity
    found = plan(rate, keys=50, skew=1.5)
    assert any("keys that are spread better" in warning for warning in found.warnings)


def test_skewed_keys_need_more_workers_than_even_ones() -> None:
    assert plan(50_000.0, keys=5000, skew=0.6).workers > plan(50_000.0).workers


def test_agents_of_one_worker_add_up() -> None:
    both = plan(10_000.0, speed(), speed(agent="group", batch_seconds=0.01))
    alone = [plan(10_000.0), plan(10_000.0, speed(batch_seconds=0.01))]
    assert both.workers >= max(p.workers for p in alone) + 1
    assert both.workers <= sum(p.workers for p in alone)
    assert len(both.agents) == 2


def test_gpus_and_memory() -> None:
    found = plan(50_000.0, speed(device="cuda:0", bytes_per_key=1000.0), keys=100_000)
    assert found.gpus == found.workers > 1
    keys = 100_000 / found.workers
    assert found.memory_bytes_per_worker == pytest.approx(300e6 + 1000 * keys, rel=0.1)
    assert plan(50_000.0).gpus == 0


def test_given_workers_and_partitions_are_looked_at_as_they_are() -> None:
    found = plan(50_000.0, workers=2, partitions=8)
    assert (found.workers, found.partitions) == (2, 8)
    assert any("more than 70%" in warning for warning in found.warnings)
    assert any("falls behind" in warning for warning in found.warnings)
    assert plan(100.0, workers=3, partitions=8).notes
    with pytest.raises(UserError, match="a partition has one worker"):
        plan(100.0, workers=9, partitions=8)


def test_a_worker_that_is_lost_is_looked_at() -> None:
    found = plan(50_000.0).agents[0]
    assert found.after_loss is not None
    assert found.after_loss.max_seconds > 10
    assert plan(100.0).agents[0].after_loss is None
