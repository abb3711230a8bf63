"""The audit of a pipeline: read everything once, then judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from agents.commands.audit.comparing import blame_differing, compare_differing
from agents.commands.audit.inputs import OnRead, read_input
from agents.commands.audit.judging import Rules, judge
from agents.commands.audit.ledger import Ledger
from agents.commands.audit.letters import LetterReader
from agents.commands.audit.removal import expiry_ms, is_compacted
from agents.commands.audit.report import AgentReport, Report
from agents.commands.audit.results import ResultReader
from agents.commands.topic_reader import Bounds, TopicReader
from streams.kafka.admin import probe, topic_configs
from streams.kafka.errors import BrokerError, or_hidden
from streams.settings import EXACTLY_ONCE, PipelineSettings

#: A fetch may go beyond an intake's limit by so many records.
_FETCH_RECORDS = 1_000


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """What an audit asks for, beyond the pipeline file."""

    agents: Sequence[str] = ()
    """Names; none: all."""
    is_drained: bool = False
    """Every record must be finished: nothing is accepted as in flight."""
    expects_answers: bool = False
    """A committed record without output is missing, whatever the pipeline file says of it."""
    repeats_allowed: bool = True
    """False where delivery is exactly once."""
    tolerance: float = 0.0
    """How far apart the numbers of a repeat may be; see `comparing.is_close`."""
    isolation: str = "read_uncommitted"
    """`read_uncommitted` or `read_committed`, of output and dead letters."""
    since_ms: int = 0
    """Only input records with a timestamp from then on, milliseconds since 1970; 0: all."""


def audit_pipeline(
    settings: PipelineSettings,
    options: AuditOptions = AuditOptions(),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Read all topics of a pipeline to their present ends and account for every input record.

    What is in flight, and what is produced meanwhile, does no harm: committed offsets are taken
    first, then the ends of the output, then those of the input.

    Args:
        settings: of the pipeline.
        options: what to ask for.
        on_progress: called with the records read so far and in all.

    Raises:
        BrokerError: the broker can't be reached or read, or a topic is absent.
        ValueError: an agent that is named does not exist.
    """
    if unknown := set(options.agents) - settings.agents.keys():
        raise ValueError(
            f"no agent {min(unknown)!r}: the pipeline file has {', '.join(settings.agents)}"
        )
    started = time.monotonic()
    progress = _Progress(on_progress)
    names = options.agents or list(settings.agents)
    group = str(settings.kafka.get("group.id", "penstock"))
    with ExitStack() as stack:
        default = "read_committed" if settings.guarantee == EXACTLY_ONCE else "read_uncommitted"
        isolation = str(settings.kafka.get("isolation.level", default))
        inputs = stack.enter_context(TopicReader(settings.kafka, group, isolation))
        outputs = stack.enter_context(TopicReader(settings.kafka, group, options.isolation))
        partitions = _partitions(settings, names, options)
        audits = [
            _Audit(name, topic, settings, options, partitions, inputs, outputs)
            for name in names
            for topic in settings.agents[name].inputs
        ]
        progress.total = sum(audit.num_offsets for audit in audits)
        reports = [audit.run(progress.read) for audit in audits]
    return Report(reports, group, time.monotonic() - started, progress.done)


class _Progress:
    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self.done = self.total = 0
        self._on_progress = on_progress

    def read(self, count: int) -> None:
        self.done += count
        self._on_progress(self.done, max(self.total, self.done))


def _partitions(
    settings: PipelineSettings, names: Sequence[str], options: AuditOptions
) -> Mapping[str, int]:
    cluster = probe(settings.kafka)
    if options.since_ms and cluster.is_embedded:
        raise BrokerError("the embedded broker finds no offsets by time: leave out --since")
    agents = [settings.agents[name] for name in names]
    wanted = {t for a in agents for t in (*a.inputs, a.output, *a.dead_letter_topics)}
    if absent := wanted - cluster.topics.keys():
        raise BrokerError(
            f"the broker has no topic {', '.join(sorted(absent))}{or_hidden(settings.kafka)}"
        )
    return cluster.topics


class _Audit:
    """The audit of one agent's input: its offsets, taken when it is made, and its run."""

    def __init__(
        self,
        name: str,
        topic: str,
        settings: PipelineSettings,
        options: AuditOptions,
        partitions: Mapping[str, int],
        inputs: TopicReader,
        outputs: TopicReader,
    ) -> None:
        agent = settings.agents[name]
        self._agent, self._options = agent, options
        self._settings = settings
        self._inputs, self._outputs = inputs, outputs
        letters = agent.dead_letter_topic(topic)
        self.report = AgentReport(name, topic, agent.output, letters)
        # In this order: what is committed has its output, and what is answered its input.
        self._committed = inputs.committed(topic, partitions[topic])
        self._output = outputs.bounds(agent.output, partitions[agent.output])
        self._letters = outputs.bounds(letters, partitions[letters])
        self._input = inputs.bounds(topic, partitions[topic])
        if options.since_ms:
            self._input = inputs.since(topic, self._input, options.since_ms)

    @property
    def num_offsets(self) -> int:
        """How many records there are to read, at most."""
        bounds = [*self._input, *self._output, *self._letters]
        return sum(bound.end - bound.low for bound in bounds)

    def run(self, on_read: OnRead) -> AgentReport:
        """Read and judge.

        Raises:
            BrokerError: a topic can't be read.
        """
        agent, report = self._agent, self.report
        configs = topic_configs(self._settings.kafka, [report.input, *agent.output_topics])
        compacted = {topic for topic, config in configs.items() if is_compacted(config)}
        ledgers = [
            Ledger(report, partition, is_compacted=report.input in compacted)
            for partition in range(len(self._input))
        ]
        for ledger, bounds in zip(ledgers, self._input, strict=True):
            read_input(self._inputs, ledger, report.input, bounds, on_read)
        own_others = frozenset(agent.inputs) - {report.input}
        expired = self._expired_below(self._output, configs[report.output])
        results = ResultReader(report, ledgers, self._others(), own_others, expired)
        for partition, bounds in enumerate(self._output):
            results.read(self._outputs, partition, bounds, len(self._output), on_read)
        expired = self._expired_below(self._letters, configs[report.dead_letters])
        slack = agent.intake.max_records + _FETCH_RECORDS
        letters = LetterReader(report, ledgers, slack, expired, own_others)
        for partition, bounds in enumerate(self._letters):
            letters.read(self._outputs, partition, bounds, len(self._letters), on_read)
        self._note(ledgers, compacted)
        judge(ledgers, report, self._rules())
        if self._options.tolerance and any(ledger.differing for ledger in ledgers):
            compare_differing(
                ledgers, report, self._outputs, self._output, self._options.tolerance, on_read
            )
        else:
            blame_differing(ledgers)
        return report

    def _expired_below(self, bounds: Sequence[Bounds], config: Mapping[str, str]) -> list[int]:
        """Return, of each input partition, the offset below which output may have expired.

        Args:
            bounds: of the output's partitions.
            config: of the output's topic.
        """
        before_ms = expiry_ms(config, time.time_ns() // 1_000_000)
        if before_ms is None:
            return [bound.end for bound in self._input]
        if before_ms <= 0 or not any(bound.low for bound in bounds):
            return [0] * len(self._input)
        return [b.low for b in self._inputs.since(self.report.input, self._input, before_ms)]

    def _rules(self) -> Rules:
        options = self._options
        return Rules(
            committed=self._committed,
            is_drained=options.is_drained,
            repeats_allowed=options.repeats_allowed,
            silence_allowed=self._agent.may_be_silent and not options.expects_answers,
        )

    def _others(self) -> frozenset[bytes]:
        """Return the `ce_source` of agents that write to the same topics."""
        ours = {self.report.output, self.report.dead_letters}
        return frozenset(
            f"penstock/{name}".encode()
            for name, agent in self._settings.agents.items()
            if ours & set(agent.output_topics)
        )

    def _note(self, ledgers: list[Ledger], compacted: set[str]) -> None:
        report = self.report
        removed = sum(bound.low for bound in self._input)
        if removed and not self._options.since_ms:
            report.notes.append(
                f"{report.input}: {removed} records are no longer there (retention): not audited"
            )
        if max(self._committed, default=-1) < 0:
            report.notes.append("the group has committed nothing yet: all is in flight")
        for topic in (report.output, report.dead_letters):
            if topic in compacted:
                report.notes.append(f"{topic} is compacted: what it does not hold is not proven")
                for ledger in ledgers:
                    ledger.doubt_below(ledger.end)
