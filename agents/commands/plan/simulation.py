"""Simulate a group of workers: partitions, fetches, micro-batches, a worker that is lost.

A worker is a queue with one server that takes what waits, up to `max_batch_size`, whenever it is
free: a batch of n events takes a + b n seconds. That is what `streams/micro_batcher.py` does with
one model copy. Events become visible with the next fetch. The clock jumps from batch to batch, so
that an hour of a hundred workers takes seconds; the same seed gives the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]

#: Fetches of a live stream follow each other so closely: streams/transport/fetch_pacer.py.
FETCH_SECONDS = 0.008
#: From topic to topic beside the queue and the call: a request to fetch, one to produce, on one
#: machine. Networks and replicas add to it.
DELIVERY_SECONDS = 0.004
#: More than about these events are not drawn: then only some of the workers are simulated, the
#: busiest among them.
_MAX_EVENTS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a worker does with a batch."""

    batch_seconds: float
    """Of a batch, whatever its size."""
    event_seconds: float
    """Of each event in it."""
    max_batch_size: int

    @property
    def capacity(self) -> float:
        """Events a second with full batches."""
        n = self.max_batch_size
        return n / max(self.batch_seconds + n * self.event_seconds, 1e-12)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A worker ends without a word."""

    at_seconds: float
    unnoticed_seconds: float
    """Until the others take over: the session timeout."""
    stall_seconds: float = 1.0
    """How long a rebalance stops the others."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What is simulated."""

    rate: float
    """Events a second, over all partitions."""
    shares: Sequence[float]
    """Of each partition; they sum to 1."""
    workers: int
    service: Service
    seconds: float = 30.0
    seed: int = 1
    fetch_seconds: float = FETCH_SECONDS
    delivery_seconds: float = DELIVERY_SECONDS
    loss: Loss | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What comes out of a simulation. Ages are from topic to topic."""

    events: int
    answered: int
    """Within the simulated time."""
    mean_seconds: float
    p50_seconds: float
    p99_seconds: float
    max_seconds: float
    busy_share: float
    """Of the busiest worker's time. An idle model takes at once what is there, so that this says
    little about how much more it could answer."""
    mean_batch_size: float
    keeps_up: bool
    """Whether no event has waited for two seconds at the end."""
    backlog_seconds: float
    """From a loss until no answer is older than before it by more than a second; 0 without one."""


def partition_shares(partitions: int, keys: int, skew: float, seed: int = 1) -> Seconds:
    """Return the share of each partition, for keys that are spread by their hash.

    Args:
        partitions: number of them.
        keys: number of them; 0: events without keys, spread evenly.
        skew: key of rank r has a weight of r ** -skew; 0: all keys are alike.
        seed: of the hash.
    """
    if not keys:
        return np.full(partitions, 1.0 / partitions)
    weights = np.arange(1, keys + 1, dtype=np.float64) ** -skew
    places = np.random.default_rng(seed).integers(0, partitions, keys)
    return np.bincount(places, weights / weights.sum(), partitions).astype(np.float64)


def assign(partitions: int, workers: int) -> list[npt.NDArray[np.int64]]:
    """Return the partitions of each worker, as even as possible."""
    return [np.arange(worker, partitions, workers) for worker in range(workers)]


def simulate(world: World) -> Outcome:
    """Run a world to its end."""
    seconds = world.seconds
    shares = np.asarray(world.shares, np.float64)
    lost = world.workers - 1 if world.loss is not None and world.workers > 1 else None
    assigned = assign(len(shares), world.workers)
    runs = []
    # What the lost one answered before is like what the others did.
    for worker in _simulated(world, [float(shares[held].sum()) for held in assigned], lost):
        held = assigned[worker]
        rng = np.random.default_rng([world.seed, worker])
        due = _arrivals(rng, world.rate * float(shares[held].sum()), 0.0, seconds)
        seen = _visible(due, world.fetch_seconds, rng)
        if lost is not None and world.loss is not None:
            due, seen = _with_lost(world, shares, worker, lost, seconds, due, seen, rng)
        runs.append(_serve(due, seen, world.service, seconds))
    return _outcome(world, runs, seconds)


def _simulated(world: World, loads: list[float], lost: int | None) -> list[int]:
    """Return the workers to simulate: all, or the busiest and some others."""
    others = sorted((w for w in range(world.workers) if w != lost), key=lambda w: -loads[w])
    events = world.rate * world.seconds
    step = max(math.ceil(events / _MAX_EVENTS), 1)
    return others[::step]


def _arrivals(rng: np.random.Generator, rate: float, start: float, end: float) -> Seconds:
    """Draw a Poisson process."""
    return np.sort(rng.uniform(start, end, rng.poisson(rate * max(end - start, 0.0))))


def _visible(due: Seconds, fetch_seconds: float, rng: np.random.Generator) -> Seconds:
    """Return when a fetch brings each event."""
    if fetch_seconds <= 0:
        return due
    phase = rng.uniform(0.0, fetch_seconds)
    return np.ceil((due - phase) / fetch_seconds) * fetch_seconds + phase


def _with_lost(
    world: World, shares: Seconds, worker: int, lost: int, seconds: float,
    due: Seconds, seen: Seconds, rng: np.random.Generator,
) -> tuple[Seconds, Seconds]:  # fmt: skip
    """Add the worker's part of what the lost one held, and the stall of the rebalance."""
    loss = world.loss
    assert loss is not None
    orphans = assign(len(shares), world.workers)[lost]
    mine = orphans[worker :: world.workers - 1]
    noticed = loss.at_seconds + loss.unnoticed_seconds
    resumed = noticed + loss.stall_seconds
    taken = _arrivals(rng, world.rate * float(shares[mine].sum()), loss.at_seconds, seconds)
    taken_seen = np.maximum(_visible(taken, world.fetch_seconds, rng), resumed)
    is_stalled = (seen >= noticed) & (seen < resumed)
    seen = np.where(is_stalled, resumed, seen)
    due, seen = np.concatenate([due, taken]), np.concatenate([seen, taken_seen])
    order = np.lexsort((due, seen))
    return due[order], seen[order]


@dataclass(frozen=True)
class _Run:
    """One worker's events in the order of answers."""

    due: Seconds
    done: Seconds
    sizes: list[int]
    busy: float


def _serve(due: Seconds, seen: Seconds, service: Service, seconds: float) -> _Run:
    """Answer events in batches until the end of the time; `seen` is ascending."""
    a, b, limit = service.batch_seconds, service.event_seconds, service.max_batch_size
    sizes: list[int] = []
    ends: list[float] = []
    free, first, total, busy = 0.0, 0, len(seen), 0.0
    while first < total:
        start = max(free, float(seen[first]))
        if start >= seconds:
            break
        last = min(first + limit, total)
        size = max(int(np.searchsorted(seen[first:last], start, "right")), 1)
        free = start + a + b * size
        busy += min(free, seconds) - start
        sizes.append(size)
        ends.append(free)
        first += size
    done = np.full(total, np.inf)
    done[:first] = np.repeat(ends, sizes)
    return _Run(due, done, sizes, busy)


def _outcome(world: World, runs: list[_Run], seconds: float) -> Outcome:
    due = np.concatenate([run.due for run in runs]) if runs else np.zeros(0)
    done = np.concatenate([run.done for run in runs]) if runs else np.zeros(0)
    is_answered = done <= seconds
    ages = (done - due)[is_answered] + world.delivery_seconds
    p50, p99, top = np.quantile(ages, [0.5, 0.99, 1.0]).tolist() if len(ages) else (0.0,) * 3
    sizes = [size for run in runs for size in run.sizes]
    return Outcome(
        events=len(due),
        answered=int(is_answered.sum()),
        mean_seconds=float(ages.mean()) if len(ages) else 0.0,
        p50_seconds=p50,
        p99_seconds=p99,
        max_seconds=top,
        busy_share=max((run.busy / seconds for run in runs), default=0.0),
        mean_batch_size=float(np.mean(sizes)) if sizes else 0.0,
        keeps_up=all(_waiting_seconds(run, seconds) < 2.0 for run in runs),
        backlog_seconds=_backlog(world, due[is_answered], ages),
    )


def _waiting_seconds(run: _Run, seconds: float) -> float:
    """Return how long the oldest unanswered event has waited at the end."""
    waiting = run.due[run.done > seconds]
    return seconds - float(waiting.min()) if len(waiting) else 0.0


def _backlog(world: World, due: Seconds, ages: Seconds) -> float:
    loss = world.loss
    if loss is None:
        return 0.0
    before = ages[due < loss.at_seconds]
    usual = float(np.quantile(before, 0.99)) if len(before) else 0.0
    is_late = (due >= loss.at_seconds) & (ages > usual + 1.0)
    return float((due + ages)[is_late].max()) - loss.at_seconds if is_late.any() else 0.0
