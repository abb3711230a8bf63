"""`penstock bench live`: the age of results by the rate of the input, and the CPU time per record.

For each rate, number of partitions and linger of the producers every contender gets new topics. A
sender process sends single records at their due times. Ages are differences of the broker's
timestamps (`message.timestamp.type=LogAppendTime`): result minus record. All output is read back
and checked record by record.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.harness.contenders import CONTENDERS
from benchmarks.harness.environments import UnavailableError
from benchmarks.harness.live_run import LivePlan, LiveResult, LiveRun
from benchmarks.harness.load_run import warm_up_broker
from benchmarks.harness.penstock import penstock
from benchmarks.harness.running import PreparedContender, RunError
from benchmarks.harness.topics import is_embedded
from streams.kafka.errors import BrokerError

Report = Callable[[str], None]

_PEERS = (
    "penstock", "penstock-2", "faust", "aiokafka-single", "aiokafka", "confluent", "kafka-streams",
    "bytewax",
)  # fmt: skip


@dataclass
class LiveBench:
    """Runs a plan and reports progress and failures on the way."""

    plan: LivePlan
    report: Report
    unavailable: dict[str, str] = field(default_factory=dict)
    """Contenders that can't run here, with the reason."""
    faults: list[str] = field(default_factory=list)
    """Runs that ended early or whose output was wrong."""

    def run(self) -> list[LiveResult]:
        """Run every combination, with the contenders in turn."""
        plan = self.plan
        contenders = dict(self._prepare_all())
        if contenders and not is_embedded(plan.servers):
            self.report("warming up the broker")
            warm_up_broker(plan.servers)
        results = []
        for linger_ms, partitions, rate, number in itertools.product(
            plan.lingers_ms, plan.partitions, plan.rates, range(1, plan.rounds + 1)
        ):
            for name, prepared in contenders.items():
                run = LiveRun(plan, name, prepared, partitions, linger_ms, rate, number)
                result = self._run_one(run)
                if result is not None:
                    results.append(result)
        return results

    def _prepare_all(self) -> Iterator[tuple[str, PreparedContender]]:
        for name in self.plan.contenders:
            try:
                yield name, _prepare(name, self.plan.model)
            except UnavailableError as error:
                self.unavailable[name] = str(error)
                self.report(f"{name}: not available: {error}")

    def _run_one(self, run: LiveRun) -> LiveResult | None:
        try:
            result = run.measure()
        except (RunError, BrokerError) as error:
            self._note_fault(f"{run}: {error}")
            return None
        if result.fault:
            self._note_fault(f"{run}: its output is wrong: {result.fault}")
        ages = f"p50 {result.p50_ms:.0f}, p99 {result.p99_ms:.0f} ms"
        behind = "" if result.kept_up else f", {result.answered} of {result.records} answered"
        self.report(f"{run}: {ages}, {result.cpu_us_per_record:,.0f} us a record{behind}")
        return result

    def _note_fault(self, line: str) -> None:
        self.faults.append(line)
        self.report(line)


def live_contenders() -> list[str]:
    """Return the contenders that take part unless others are named."""
    return list(_PEERS)


def _prepare(name: str, model: str) -> PreparedContender:
    if "live" not in CONTENDERS[name].workloads:
        raise UnavailableError("it does not do workload live")
    if model == "mean":
        return CONTENDERS[name].prepare("live")
    processes = {"penstock": 1, "penstock-2": 2}.get(name)
    if processes is None:
        raise UnavailableError(f"it has no model {model}")
    return penstock(processes, f"-{model}")("live")
