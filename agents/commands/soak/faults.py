"""The faults, one function each, and a soak that picks them at random."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.commands.broker import BrokerProcess
from agents.commands.soak.report import FaultRow
from agents.commands.soak.testbed import Setup, Testbed, WorkerProcess

#: Random wait before each fault, so that it falls anywhere between commits, fetches and batches.
_MAX_WAIT_SECONDS = 1.5
#: A worker that is frozen for this long beyond its session has lost its partitions.
_BEYOND_SESSION_SECONDS = 3.0
#: Measured without a fault, for comparison.
_STEADY_SECONDS = 5.0
#: Number of faults between two audits of a soak.
_AUDIT_EVERY = 10


def kill(testbed: Testbed, rng: random.Random) -> None:
    """Kill a worker (SIGKILL) and start another in its place."""
    worker = _take_worker(testbed, rng)
    worker.kill()
    testbed.add_worker().await_member()


def stop(testbed: Testbed, rng: random.Random) -> None:
    """Stop a worker (SIGTERM), which must end with exit code 0, and start another."""
    worker = _take_worker(testbed, rng)
    if (code := worker.stop()) != 0:
        testbed.complaints.append(f"SIGTERM: exit code {code}: {worker.last_lines()}")
    testbed.add_worker().await_member()


def pause(testbed: Testbed, rng: random.Random) -> None:
    """Freeze a worker beyond its session: it continues and still believes it has partitions."""
    worker = _some_worker(testbed, rng)
    worker.pause()
    time.sleep(testbed.setup.session_seconds + _BEYOND_SESSION_SECONDS)
    worker.resume()
    testbed.await_progress()


def join(testbed: Testbed, rng: random.Random) -> None:
    """Add a worker under load, and after some progress stop one."""
    with testbed.rebalances.measured("join"):
        testbed.add_worker().await_member()
    testbed.await_progress()
    worker = _take_worker(testbed, rng)
    with testbed.rebalances.measured("leave", gone=[worker.name]):
        if (code := worker.stop()) != 0:
            testbed.complaints.append(
                f"a worker that leaves: exit code {code}: {worker.last_lines()}"
            )


def roll(testbed: Testbed, rng: random.Random) -> None:
    """Restart each worker in turn (SIGTERM), as a deployment of a new version does."""
    for worker in list(testbed.workers):
        time.sleep(rng.uniform(0.0, _MAX_WAIT_SECONDS))
        with testbed.rebalances.measured("rolling restart", restarted=[worker.name]):
            testbed.workers.remove(worker)
            if (code := worker.stop()) != 0:
                testbed.complaints.append(f"SIGTERM: exit code {code}: {worker.last_lines()}")
            testbed.add_worker(worker.name).await_member()


def steady(testbed: Testbed) -> None:
    """Measure some seconds without a rebalance, to compare with."""
    with testbed.rebalances.measured("steady"):
        time.sleep(_STEADY_SECONDS)


def restart_broker(testbed: Testbed, rng: random.Random) -> None:
    """Stop or kill the broker, and start it again after up to five seconds."""
    broker = _restartable_broker(testbed)
    broker.stop() if rng.random() < 0.5 else broker.kill()
    time.sleep(rng.uniform(0.0, 5.0))
    broker.start()


def broker_away(testbed: Testbed, seconds: float) -> None:
    """Stop the broker for a while; no worker may end meanwhile."""
    broker = _restartable_broker(testbed)
    broker.stop()
    time.sleep(seconds)
    if ended := [worker for worker in testbed.workers if not worker.is_alive]:
        testbed.complaints.append(f"{len(ended)} workers ended while the broker was away")
    broker.start()


def _some_worker(testbed: Testbed, rng: random.Random) -> WorkerProcess:
    time.sleep(rng.uniform(0.0, _MAX_WAIT_SECONDS))
    return rng.choice(testbed.workers)


def _take_worker(testbed: Testbed, rng: random.Random) -> WorkerProcess:
    """Remove a random worker from the testbed, which then does not miss it, and return it."""
    worker = _some_worker(testbed, rng)
    testbed.workers.remove(worker)
    return worker


def _restartable_broker(testbed: Testbed) -> BrokerProcess:
    if testbed.setup.broker is None:
        raise ValueError("the testbed did not start this broker, so it can't restart it")
    return testbed.setup.broker


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    act: Callable[[Testbed, random.Random], None]
    description: str
    needs_broker: bool = False
    """Whether it needs a broker that it may restart."""


FAULTS = {
    "kill": Fault(kill, "a worker is killed (SIGKILL)"),
    "stop": Fault(stop, "a worker is stopped (SIGTERM)"),
    "pause": Fault(pause, "a worker is frozen beyond its session (SIGSTOP, SIGCONT)"),
    "join": Fault(join, "a worker joins, another leaves"),
    "roll": Fault(roll, "all workers are restarted, one after the other"),
    "broker": Fault(restart_broker, "the broker restarts", needs_broker=True),
}


class Soak:
    """Causes random faults, one after the other.

    Args:
        setup: of the testbed.
        faults: names of `FAULTS` to choose from.
        seed: of all random choices and times.
        report: called with a line per fault and audit.
        should_stop: checked between faults; ends the soak when true.
    """

    def __init__(
        self,
        setup: Setup,
        faults: Sequence[str],
        seed: int,
        report: Callable[[str], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._setup, self._faults = setup, list(faults)
        self._random = random.Random(seed)
        self._report, self._should_stop = report, should_stop
        self.counts = dict.fromkeys(self._faults, 0)
        """How often each fault was caused."""

    def run(self, folder: Path, seconds: float, num_kills: int) -> FaultRow:
        """Run until the time is up and enough workers were killed, then audit.

        Args:
            folder: for the pipeline file and the workers' logs.
            seconds: to run at least.
            num_kills: minimum number of kills, if `kill` is among the faults.

        Raises:
            BrokerError: the broker can't be used, or no more results arrive.
        """
        testbed = Testbed(self._setup, folder)
        try:
            testbed.begin()
            if {"join", "roll"} & set(self._faults):
                steady(testbed)
            self._soak(testbed, time.monotonic() + seconds, num_kills)
            self._report("the load ends: finishing the last records, then auditing all")
            counts = ", ".join(f"{name} {count}" for name, count in self.counts.items() if count)
            return testbed.finish(counts, sum(self.counts.values()))
        finally:
            testbed.close()

    def _soak(self, testbed: Testbed, until: float, num_kills: int) -> None:
        started = time.monotonic()
        while not self._should_stop() and (
            time.monotonic() < until or self.counts.get("kill", num_kills) < num_kills
        ):
            name = self._random.choice(self._faults)
            FAULTS[name].act(testbed, self._random)
            testbed.await_progress()
            self.counts[name] += 1
            num_faults = sum(self.counts.values())
            self._report(
                f"{time.monotonic() - started:6.0f} s  {num_faults:4}  "
                f"{FAULTS[name].description}; {testbed.load.num_delivered:,} in, "
                f"{testbed.watch.num_out.total():,} out"
            )
            if num_faults % _AUDIT_EVERY == 0:
                self._audit(testbed)

    def _audit(self, testbed: Testbed) -> None:
        """Audit while everything runs; records in flight are no problem."""
        report = testbed.audit(is_drained=False)
        self._report(
            f"audit: {report.records:,} records, {report.repeats:,} repeats, "
            f"{sum(report.problems.values())} problems"
        )
        for culprit in report.culprits:
            self._report(f"  {culprit}")
