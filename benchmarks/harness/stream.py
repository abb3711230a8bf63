"""`penstock bench stream`: load a topic once, then run each contender in turn for some rounds."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.harness.contenders import CONTENDERS, Contender
from benchmarks.harness.environments import UnavailableError
from benchmarks.harness.inputs import Input, load
from benchmarks.harness.outcomes import Outcome
from benchmarks.harness.running import Job, Measured, PreparedContender, RunError, measure
from benchmarks.harness.topics import create_bench_topics, num_partitions, remove_topics
from benchmarks.harness.verifying import Verifier, WrongOutputError, verify
from benchmarks.harness.workloads import WORKLOADS

Report = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a bench runs."""

    servers: str
    workload: str
    num_records: int
    rounds: int
    partitions: int
    contenders: Sequence[str]


@dataclass(frozen=True)
class LoadedTopic:
    """An input that is loaded on the broker."""

    topic: str
    partitions: int
    source: Input


@dataclass
class StreamBench:
    """Runs a plan and reports progress and failures on the way."""

    plan: Plan
    report: Report
    unavailable: dict[str, str] = field(default_factory=dict)
    """Contenders that can't run here, with the reason."""
    faults: list[str] = field(default_factory=list)
    """Why runs don't count."""
    _loaded: dict[int, LoadedTopic] = field(default_factory=dict)

    def run(self) -> list[Outcome]:
        """Run every contender once a round and return the outcomes; leave no topics behind."""
        try:
            return self._run_rounds()
        finally:
            inputs = [loaded.topic for loaded in self._loaded.values()]
            remove_topics(self.plan.servers, [*inputs, *map("{}.dlq".format, inputs)])

    def _run_rounds(self) -> list[Outcome]:
        contenders = self._prepare_all()
        outcomes = []
        for number in range(1, self.plan.rounds + 1):
            for name, prepared in contenders.items():
                outcome = self._run_one(CONTENDERS[name], prepared, number)
                if outcome is not None:
                    outcomes.append(outcome)
        return outcomes

    def _prepare_all(self) -> dict[str, PreparedContender]:
        contenders = {}
        for name in self.plan.contenders:
            try:
                contenders[name] = self._prepare(CONTENDERS[name])
            except UnavailableError as error:
                self.unavailable[name] = str(error)
                self.report(f"{name}: not available: {error}")
        return contenders

    def _prepare(self, contender: Contender) -> PreparedContender:
        if self.plan.workload not in contender.workloads:
            raise UnavailableError(f"it does not do workload {self.plan.workload}")
        return contender.prepare(self.plan.workload)

    def _input_for(self, contender: Contender) -> LoadedTopic:
        """Return the input of a contender; load it the first time."""
        if contender.share not in self._loaded:
            plan, count = self.plan, max(self.plan.num_records // contender.share, 1)
            # A name that no run before had: its records would still be there.
            topic = f"bench-{plan.workload}-{count}-{uuid.uuid4().hex[:8]}"
            self.report(f"loading {count:,} records into {topic}")
            source = WORKLOADS[plan.workload].make_input(count, plan.partitions)
            partitions = load(plan.servers, topic, plan.partitions, source)
            self._loaded[contender.share] = LoadedTopic(topic, partitions, source)
        return self._loaded[contender.share]

    def _run_one(
        self, contender: Contender, prepared: PreparedContender, number: int
    ) -> Outcome | None:
        """Run, read back and check; None if the run did not reach its end."""
        loaded, workload = self._input_for(contender), self.plan.workload
        output = f"{loaded.topic}-{contender.name}-{number}"
        create_bench_topics(self.plan.servers, [output, f"{loaded.topic}.dlq"], loaded.partitions)
        where = f"round {number}, {contender.name}"
        try:
            measured = self._measure(prepared, loaded, output)
            self._verify(loaded, output)
        except RunError as error:
            self._fault(f"{where}: {error}")
            return None
        except WrongOutputError as error:
            self._fault(f"{where}: its output is wrong: {error}")
            is_right = False
        else:
            self.report(f"{where}: {measured.records_per_second:,.0f} records/s")
            is_right = True
        remove_topics(self.plan.servers, [output])
        return Outcome(
            workload=workload,
            contender=contender.name,
            version=prepared.version,
            round=number,
            records=loaded.source.num_records,
            seconds=measured.seconds,
            records_per_second=measured.records_per_second,
            cpu_seconds=measured.cpu_seconds,
            verified=is_right,
        )

    def _measure(self, prepared: PreparedContender, loaded: LoadedTopic, output: str) -> Measured:
        servers = self.plan.servers
        with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
            job = Job(
                bootstrap_servers=servers,
                input=loaded.topic,
                output=output,
                group=output,
                workload=self.plan.workload,
                partitions=num_partitions(servers, output),
                folder=folder,
            )
            return measure(prepared, job, loaded.source.num_records)

    def _verify(self, loaded: LoadedTopic, output: str) -> None:
        servers, workload = self.plan.servers, WORKLOADS[self.plan.workload]
        verifier = Verifier(
            loaded.source,
            loaded.topic,
            loaded.partitions,
            workload.agent,
            workload.model,
            workload.model_version,
        )
        verify(servers, output, num_partitions(servers, output), verifier)

    def _fault(self, line: str) -> None:
        self.faults.append(line)
        self.report(line)
