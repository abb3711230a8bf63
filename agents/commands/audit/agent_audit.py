"""Audit one input of one agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agents.commands.audit.comparing import blame_differing, compare_differing
from agents.commands.audit.hints import hint_at_other_pipelines
from agents.commands.audit.inputs import read_input
from agents.commands.audit.judging import Rules, judge
from agents.commands.audit.ledger import Ledger, OnRead
from agents.commands.audit.letters import LetterReader
from agents.commands.audit.limits import note_limits
from agents.commands.audit.removed import Reach, judge_removed
from agents.commands.audit.report import AgentReport, PartitionRange, Problem
from agents.commands.audit.results import ResultReader
from agents.commands.audit.retention import Expiry, expiry, is_compacted
from agents.commands.framed_values import framed_values
from streams.kafka.admin import ClusterInfo, topic_configs
from streams.kafka.positions import is_same_topic
from streams.kafka.reader import Bounds, TopicReader
from streams.settings import PipelineSettings

#: The settings of each topic, by Kafka's names.
Configs: TypeAlias = Mapping[str, Mapping[str, str]]

#: One fetch may exceed the limit of records in work by this many.
_FETCH_RECORDS = 1_000


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """What to audit and how strictly, beyond what the pipeline file says."""

    agents: Sequence[str] = ()
    """Names; none: all."""
    is_drained: bool = False
    """Every record must be finished: none may be in flight."""
    expects_answers: bool = False
    """A committed record without output is missing even if the file says `answers: sometimes`."""
    repeats_allowed: bool = True
    """False where delivery is exactly once."""
    tolerance: float = 0.0
    """How much the numbers of a repeat may differ; see `comparing.is_close`."""
    isolation: str = "read_uncommitted"
    """How to read results and dead letters: `read_uncommitted` or `read_committed`."""
    since_ms: int = 0
    """Only input records with this timestamp or a later one, milliseconds since 1970; 0: all."""


@dataclass(frozen=True)
class Context:
    """What the audits of all inputs share."""

    settings: PipelineSettings
    options: AuditOptions
    inputs: TopicReader
    outputs: TopicReader
    cluster: ClusterInfo
    topic_ids: Mapping[str, str]
    """The id of each topic; "": the broker gives none."""
    group: str
    has_workers: bool
    """The group had members when the audit began: records may be in work."""


class AgentAudit:
    """Takes the offsets of an agent's topics when it is created; `run` reads up to them."""

    def __init__(self, name: str, topic: str, context: Context) -> None:
        agent, options = context.settings.agents[name], context.options
        inputs, outputs = context.inputs, context.outputs
        partitions = context.cluster.topics
        self._agent, self._options, self._context = agent, options, context
        self._inputs, self._outputs = inputs, outputs
        letters = agent.dead_letter_topic(topic)
        self.report = AgentReport(name, topic, agent.output, letters)
        self.report.topic_id = context.topic_ids[topic]
        # The order matters: what was removed before is not committed later, a committed record has
        # its output, and an answered one is in the input.
        self._cut = inputs.bounds(topic, partitions[topic])
        self._committed = inputs.committed_positions(topic, partitions[topic])
        self._output = outputs.bounds(agent.output, partitions[agent.output])
        self._letters = outputs.bounds(letters, partitions[letters])
        self._held = self._input = inputs.bounds(topic, partitions[topic])
        if options.since_ms:
            self._input = inputs.since(topic, self._input, options.since_ms)

    @property
    def num_offsets(self) -> int:
        """The most records that there are to read."""
        bounds = [*self._input, *self._output, *self._letters]
        return sum(bound.end - bound.low for bound in bounds)

    def run(self, on_read: OnRead) -> AgentReport:
        """Read the topics and judge.

        Raises:
            BrokerError: a topic can't be read.
        """
        report = self.report
        topics = [report.input, *self._agent.output_topics]
        configs = topic_configs(self._context.settings.kafka, topics)
        compacted = {topic for topic, config in configs.items() if is_compacted(config)}
        ledgers = [
            Ledger(report, partition, is_compacted=report.input in compacted)
            for partition in range(len(self._input))
        ]
        for ledger, bounds in zip(ledgers, self._input, strict=True):
            read_input(self._inputs, ledger, report.input, bounds, on_read)
        self._read_results(ledgers, configs, on_read)
        self._read_letters(ledgers, configs, on_read)
        self._doubt_compacted(ledgers, compacted)
        report.partitions = [self._range(ledger) for ledger in ledgers]
        rules = self._rules()
        judge(ledgers, report, rules)
        for ledger in ledgers:
            self._judge_removed(ledger, rules)
        note_limits(
            ledgers, report, rules, is_whole=not self._options.since_ms,
            can_be_made_again=not self._context.cluster.is_embedded,
        )  # fmt: skip
        if report.problems[Problem.MISSING] or (report.without_output and report.doubts):
            kafka = self._context.settings.kafka
            report.notes += hint_at_other_pipelines(
                kafka, self._outputs, self._context.group, ledgers, report
            )
        if self._options.tolerance and any(ledger.differing for ledger in ledgers):
            tolerance = self._options.tolerance
            with framed_values(self._context.settings, "") as framed:
                compare_differing(
                    ledgers, report, self._outputs, self._output, tolerance, on_read, framed
                )
        else:
            blame_differing(ledgers)
        return report

    def _read_results(self, ledgers: list[Ledger], configs: Configs, on_read: OnRead) -> None:
        expired = self._expiry(self.report.output, self._output, configs)
        results = ResultReader(
            self.report, ledgers, self._other_sources(), self._other_inputs(), expired
        )
        for partition, bounds in enumerate(self._output):
            results.read(self._outputs, partition, bounds, len(self._output), on_read)

    def _read_letters(self, ledgers: list[Ledger], configs: Configs, on_read: OnRead) -> None:
        expired = self._expiry(self.report.dead_letters, self._letters, configs)
        letters = LetterReader(
            self.report, ledgers, self._max_in_work, expired, self._other_inputs()
        )
        for partition, bounds in enumerate(self._letters):
            letters.read(self._outputs, partition, bounds, len(self._letters), on_read)

    def _expiry(self, output: str, bounds: Sequence[Bounds], configs: Configs) -> Expiry:
        topic = self.report.input
        return expiry(
            self._inputs, topic, self._input, bounds, configs[output], configs[topic]
        )  # fmt: skip

    @property
    def _max_in_work(self) -> int:
        """The most records of a partition that a worker has read but not finished."""
        return self._agent.intake.max_records + _FETCH_RECORDS

    def _doubt_compacted(self, ledgers: list[Ledger], compacted: set[str]) -> None:
        report = self.report
        for topic in compacted & {report.output, report.dead_letters}:
            report.notes.append(
                f"{topic} is compacted: records without output there can't be proven"
            )
            for ledger in ledgers:
                ledger.doubt_below(ledger.end)

    def _range(self, ledger: Ledger) -> PartitionRange:
        """Return what is known of one partition, once all output is entered."""
        held, position = self._held[ledger.partition], self._committed[ledger.partition]
        is_here = is_same_topic(position.topic_id, self.report.topic_id)
        first = ledger.first_answered()
        return PartitionRange(
            partition=ledger.partition,
            log_start=held.low,
            audited_from=ledger.oldest,
            end=held.end,
            committed=position.offset,
            committed_topic_id=position.topic_id,
            is_committed_here=0 <= position.offset <= held.end and is_here,
            first_answered=-1 if first is None else first,
        )

    def _judge_removed(self, ledger: Ledger, rules: Rules) -> None:
        """Judge what the topic no longer holds, unless only later records are to be audited."""
        partition = ledger.partition
        cut, held = self._cut[partition].low, self._held[partition].low
        if self._input[partition].low > held:
            return
        reach = Reach(
            log_start=cut,
            committed=rules.committed[partition],
            in_work=self._max_in_work if self._context.has_workers and not rules.is_drained else 0,
            silence_allowed=rules.silence_allowed,
            ignores_beginning=rules.starts_at_latest or bool(self._options.since_ms),
        )
        judge_removed(ledger, self.report, reach)

    def _rules(self) -> Rules:
        options = self._options
        return Rules(
            committed=[
                at.committed if at.is_committed_here else -1 for at in self.report.partitions
            ],
            is_drained=options.is_drained,
            repeats_allowed=options.repeats_allowed,
            silence_allowed=self._agent.may_be_silent and not options.expects_answers,
            starts_at_latest=self._context.settings.kafka.get("auto.offset.reset") == "latest",
        )

    def _other_inputs(self) -> frozenset[str]:
        """Return the agent's other input topics; each has a separate audit."""
        return frozenset(self._agent.inputs) - {self.report.input}

    def _other_sources(self) -> frozenset[bytes]:
        """Return the `ce_source` of each agent that writes to the same topics."""
        topics = {self.report.output, self.report.dead_letters}
        return frozenset(
            f"penstock/{name}".encode()
            for name, agent in self._context.settings.agents.items()
            if topics & set(agent.output_topics)
        )
