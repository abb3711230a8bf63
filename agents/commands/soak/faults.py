"""The faults, one function each: what is done to an arena, and waited for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from agents.commands.broker import BrokerProcess
from agents.commands.soak.arena import SESSION_SECONDS, Arena
from agents.commands.soak.workers import WorkerProcess

#: Before each fault, so that it falls anywhere between two commits, fetches and batches.
_MAX_WAIT_SECONDS = 1.5
#: A worker that is frozen for so long beyond its session has lost its partitions.
_BEYOND_SESSION_SECONDS = 3.0


def kill(arena: Arena, rng: random.Random) -> None:
    """SIGKILL; another worker takes its place."""
    worker = _some_worker(arena, rng)
    arena.workers.remove(worker)
    worker.kill()
    arena.add_worker().await_member()


def stop(arena: Arena, rng: random.Random) -> None:
    """SIGTERM; it must end with exit code 0, and another takes its place."""
    worker = _some_worker(arena, rng)
    arena.workers.remove(worker)
    if (code := worker.stop()) != 0:
        arena.complaints.append(f"SIGTERM: exit code {code}: {worker.last_lines()}")
    arena.add_worker().await_member()


def pause(arena: Arena, rng: random.Random) -> None:
    """SIGSTOP for longer than the session, then SIGCONT: a zombie that believes it owns."""
    worker = _some_worker(arena, rng)
    worker.pause()
    time.sleep(SESSION_SECONDS + _BEYOND_SESSION_SECONDS)
    worker.resume()
    arena.await_progress()


def join(arena: Arena, rng: random.Random) -> None:
    """One more worker joins under load, and after a while one leaves."""
    arena.add_worker().await_member()
    arena.await_progress()
    worker = _some_worker(arena, rng)
    arena.workers.remove(worker)
    if (code := worker.stop()) != 0:
        arena.complaints.append(f"a worker that leaves: exit code {code}: {worker.last_lines()}")


def restart_broker(arena: Arena, rng: random.Random) -> None:
    """The broker stops in order, or is killed, and comes back."""
    broker = _own_broker(arena)
    broker.stop() if rng.random() < 0.5 else broker.kill()
    time.sleep(rng.uniform(0.0, 5.0))
    broker.start()


def broker_away(arena: Arena, seconds: float) -> None:
    """The broker is gone for a while; no worker may end meanwhile."""
    broker = _own_broker(arena)
    broker.stop()
    time.sleep(seconds)
    if ended := [worker for worker in arena.workers if not worker.is_alive]:
        arena.complaints.append(f"{len(ended)} workers ended while the broker was away")
    broker.start()


def _some_worker(arena: Arena, rng: random.Random) -> WorkerProcess:
    time.sleep(rng.uniform(0.0, _MAX_WAIT_SECONDS))
    return rng.choice(arena.workers)


def _own_broker(arena: Arena) -> BrokerProcess:
    if arena.setup.broker is None:
        raise ValueError("this broker is not ours to restart")
    return arena.setup.broker


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    act: Callable[[Arena, random.Random], None]
    words: str
    needs_broker: bool = False
    """It is done to the broker."""


FAULTS = {
    "kill": Fault(kill, "a worker is killed (SIGKILL)"),
    "stop": Fault(stop, "a worker is stopped (SIGTERM)"),
    "pause": Fault(pause, "a worker is frozen beyond its session (SIGSTOP, SIGCONT)"),
    "join": Fault(join, "a worker joins, another leaves"),
    "broker": Fault(restart_broker, "the broker restarts", needs_broker=True),
}
