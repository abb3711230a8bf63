"""From speeds, a rate and key counts to partitions, workers, GPUs and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from agents.commands.plan.simulation import (
    Loss,
    Outcome,
    World,
    partition_shares,
    simulate,
)
from agents.commands.plan.speeds import AgentSpeed
from agents.errors import UserError

#: The share of its capacity that a worker is planned for; the rest is for bursts and for what waits
#: after a loss.
TARGET_UTILIZATION = 0.7
#: Partitions can be added to an input, but keys then move: leave room for twice the workers.
_GROWTH = 2
_MAX_WORKERS = 10_000
#: From one number of workers that is too small to the next that is tried.
_STEP = 1.1
#: Below this utilization more workers make no answer younger.
_IDLE = 0.05
#: aiokafka's default, after which the others notice that one is gone.
_SESSION_SECONDS = 10.0
#: How long a loss is looked at, from ten seconds before it.
_LOSS_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What the user wants."""

    rate: float
    """Events a second, of each agent's input."""
    keys: int = 0
    skew: float = 0.0
    age_budget_seconds: float | None = None
    workers: int = 0
    """0: as many as are needed."""
    partitions: int = 0
    """0: as many as are needed."""
    seed: int = 1


class AgentPlan(msgspec.Struct, frozen=True):
    """One agent's part of a plan."""

    agent: str
    model: str
    device: str
    worker_rate: float
    """Events a second that one worker answers with full batches, alone."""
    hottest_partition_share: float
    steady: Outcome
    after_loss: Outcome | None
    """With one worker lost; None: there is one worker only."""
    state_bytes_per_worker: int


class Plan(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    rate: float
    workers: int
    partitions: int
    gpus: int
    memory_bytes_per_worker: int
    """Without Kafka's buffers; see docs/operations.md."""
    utilization: float
    """Of the busiest worker, on average."""
    agents: list[AgentPlan]
    warnings: list[str]
    """What is not met."""
    notes: list[str]


class _Layout:
    """Workers and partitions, and how busy they are, before anything is simulated."""

    def __init__(self, speeds: Sequence[AgentSpeed], demand: Demand, workers: int) -> None:
        """Spread the keys.

        Raises:
            UserError: there are more workers than partitions.
        """
        self.workers = workers
        self.partitions = demand.partitions or workers * _GROWTH
        if workers > self.partitions:
            raise UserError(
                f"{workers} workers and {self.partitions} partitions: a partition has one worker, "
                "so more workers than partitions have nothing to do"
            )
        shares = partition_shares(self.partitions, demand.keys, demand.skew, demand.seed)
        self.shares: list[float] = shares.tolist()
        self.top_share = max(float(shares[worker::workers].sum()) for worker in range(workers))
        self.loads = [demand.rate * self.top_share / s.service.capacity for s in speeds]
        self.utilization = sum(self.loads)

    def world(self, speeds: Sequence[AgentSpeed], number: int, demand: Demand) -> World:
        """Return the world of one agent; the others leave it less time."""
        service, others = speeds[number].service, self.utilization - self.loads[number]
        stretch = 1.0 / max(1.0 - others, 0.05)
        slowed = replace(
            service,
            batch_seconds=service.batch_seconds * stretch,
            event_seconds=service.event_seconds * stretch,
        )
        return World(
            rate=demand.rate,
            shares=self.shares,
            workers=self.workers,
            service=slowed,
            seed=demand.seed,
        )


def make_plan(speeds: Sequence[AgentSpeed], demand: Demand) -> Plan:
    """Return a plan for agents that share worker processes; its warnings say what is not met.

    Raises:
        UserError: there are more workers than partitions.
    """
    layout = _Layout(speeds, demand, demand.workers or _enough_workers(speeds, demand))
    agents = [_agent_plan(speeds, number, demand, layout) for number in range(len(speeds))]
    keys = math.ceil(demand.keys * layout.top_share)
    state = sum(speed.bytes_per_key * keys for speed in speeds)
    return Plan(
        rate=demand.rate,
        workers=layout.workers,
        partitions=layout.partitions,
        gpus=layout.workers if any(s.device.startswith("cuda") for s in speeds) else 0,
        memory_bytes_per_worker=int(max(s.process_bytes for s in speeds) + state),
        utilization=layout.utilization,
        agents=agents,
        warnings=_warnings(agents, demand, layout),
        notes=_notes(agents, layout),
    )


def _enough_workers(speeds: Sequence[AgentSpeed], demand: Demand) -> int:
    """Return the fewest workers that do, within some percent; or those that come closest."""
    load = sum(demand.rate / speed.service.capacity for speed in speeds)
    limit = demand.partitions or _MAX_WORKERS
    workers, unhurried = min(max(math.ceil(load / TARGET_UTILIZATION), 1), limit), 0
    while True:
        layout = _Layout(speeds, demand, workers)
        if layout.utilization <= TARGET_UTILIZATION:
            unhurried = unhurried or workers
            if _is_young_enough(speeds, demand, layout):
                return workers
        if workers == limit or _is_hopeless(speeds, demand, layout):
            return unhurried or workers
        workers = min(max(workers + 1, math.ceil(workers * _STEP)), limit)


def _is_young_enough(speeds: Sequence[AgentSpeed], demand: Demand, layout: _Layout) -> bool:
    outcomes = (simulate(layout.world(speeds, i, demand)) for i in range(len(speeds)))
    budget = demand.age_budget_seconds or math.inf
    return all(outcome.keeps_up and outcome.p99_seconds <= budget for outcome in outcomes)


def _is_hopeless(speeds: Sequence[AgentSpeed], demand: Demand, layout: _Layout) -> bool:
    """Whether more workers can't help: one key is too much for one, or all are idle already."""
    ranks = range(1, demand.keys + 1)
    hottest = 1.0 / sum(rank**-demand.skew for rank in ranks) if demand.keys else 0.0
    load = sum(demand.rate * hottest / speed.service.capacity for speed in speeds)
    return load > TARGET_UTILIZATION or layout.utilization < _IDLE


def _agent_plan(
    speeds: Sequence[AgentSpeed], number: int, demand: Demand, layout: _Layout
) -> AgentPlan:
    speed, world = speeds[number], layout.world(speeds, number, demand)
    loss = Loss(at_seconds=10.0, unnoticed_seconds=_SESSION_SECONDS)
    after = replace(world, seconds=_LOSS_SECONDS, loss=loss)
    return AgentPlan(
        agent=speed.agent,
        model=speed.model,
        device=speed.device,
        worker_rate=speed.service.capacity,
        hottest_partition_share=max(layout.shares),
        steady=simulate(world),
        after_loss=simulate(after) if layout.workers > 1 else None,
        state_bytes_per_worker=int(speed.bytes_per_key * math.ceil(demand.keys * layout.top_share)),
    )


def _warnings(agents: list[AgentPlan], demand: Demand, layout: _Layout) -> list[str]:
    found = []
    if layout.utilization > TARGET_UTILIZATION:
        found.append(
            f"the busiest worker has {layout.top_share:.1%} of the events and would be busy for "
            f"{layout.utilization:.0%} of the time, more than {TARGET_UTILIZATION:.0%}: it takes "
            "more partitions and workers, or keys that are spread better"
        )
    for agent in agents:
        budget = demand.age_budget_seconds
        if budget is not None and agent.steady.p99_seconds > budget:
            found.append(
                f"{agent.agent}: a p99 age of {agent.steady.p99_seconds:.3g} s is over the budget "
                f"of {budget:g} s"
            )
        if not agent.steady.keeps_up:
            found.append(f"{agent.agent}: falls behind")
    return found


def _notes(agents: list[AgentPlan], layout: _Layout) -> list[str]:
    found = [
        f"{agent.agent}: while a worker is gone, the others fall behind: it has to come back"
        for agent in agents
        if agent.after_loss is not None and not agent.after_loss.keeps_up
    ]
    if layout.partitions % layout.workers:
        found.append(
            f"{layout.partitions} partitions are not a multiple of {layout.workers} workers: some "
            "have one more than others"
        )
    return found
