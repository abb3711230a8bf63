"""Audit one input of one agent."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Message

from agents.commands.audit.comparing import blame_differing, compare_differing
from agents.commands.audit.judging import Rules, judge
from agents.commands.audit.ledger import KEYLESS, REPLAY, TOMBSTONE, Ledger, OnRead
from agents.commands.audit.letters import LetterReader
from agents.commands.audit.report import AgentReport
from agents.commands.audit.results import ResultReader
from schemas import Replay
from schemas.replay import ORIGIN_HEADER
from streams.kafka.admin import topic_configs
from streams.kafka.message_headers import headers_of
from streams.kafka.reader import Bounds, TopicReader
from streams.settings import PipelineSettings

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


class AgentAudit:
    """Takes the offsets of an agent's topics when it is created; `run` reads up to them."""

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
        # The order matters: a committed record has its output, and an answered one is in the input.
        self._committed = inputs.committed(topic, partitions[topic])
        self._output = outputs.bounds(agent.output, partitions[agent.output])
        self._letters = outputs.bounds(letters, partitions[letters])
        self._input = inputs.bounds(topic, partitions[topic])
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
        configs = topic_configs(self._settings.kafka, topics)
        compacted = {topic for topic, config in configs.items() if is_compacted(config)}
        ledgers = [
            Ledger(report, partition, is_compacted=report.input in compacted)
            for partition in range(len(self._input))
        ]
        for ledger, bounds in zip(ledgers, self._input, strict=True):
            _read_input(self._inputs, ledger, report.input, bounds, on_read)
        self._read_results(ledgers, configs[report.output], on_read)
        self._read_letters(ledgers, configs[report.dead_letters], on_read)
        self._note_limits(ledgers, compacted)
        judge(ledgers, report, self._rules())
        if self._options.tolerance and any(ledger.differing for ledger in ledgers):
            compare_differing(
                ledgers, report, self._outputs, self._output, self._options.tolerance, on_read
            )
        else:
            blame_differing(ledgers)
        return report

    def _read_results(
        self, ledgers: list[Ledger], config: Mapping[str, str], on_read: OnRead
    ) -> None:
        expired = self._expired_below(self._output, config)
        results = ResultReader(
            self.report, ledgers, self._other_sources(), self._other_inputs(), expired
        )
        for partition, bounds in enumerate(self._output):
            results.read(self._outputs, partition, bounds, len(self._output), on_read)

    def _read_letters(
        self, ledgers: list[Ledger], config: Mapping[str, str], on_read: OnRead
    ) -> None:
        expired = self._expired_below(self._letters, config)
        slack = self._agent.intake.max_records + _FETCH_RECORDS
        letters = LetterReader(self.report, ledgers, slack, expired, self._other_inputs())
        for partition, bounds in enumerate(self._letters):
            letters.read(self._outputs, partition, bounds, len(self._letters), on_read)

    def _expired_below(self, bounds: Sequence[Bounds], config: Mapping[str, str]) -> list[int]:
        """Return, for each input partition, the offset below which output may have expired.

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

    def _other_inputs(self) -> frozenset[str]:
        """Return the agent's other input topics; each has a separate audit."""
        return frozenset(self._agent.inputs) - {self.report.input}

    def _other_sources(self) -> frozenset[bytes]:
        """Return the `ce_source` of each agent that writes to the same topics."""
        topics = {self.report.output, self.report.dead_letters}
        return frozenset(
            f"penstock/{name}".encode()
            for name, agent in self._settings.agents.items()
            if topics & set(agent.output_topics)
        )

    def _note_limits(self, ledgers: list[Ledger], compacted: set[str]) -> None:
        """Note what limits the proof."""
        report = self.report
        num_removed = sum(bound.low for bound in self._input)
        if num_removed and not self._options.since_ms:
            report.notes.append(
                f"{report.input}: retention has removed {num_removed} records: they are not audited"
            )
        if max(self._committed, default=-1) < 0:
            report.notes.append("the group has committed nothing yet: all records are in flight")
        for topic in (report.output, report.dead_letters):
            if topic in compacted:
                report.notes.append(
                    f"{topic} is compacted: records without output there can't be proven"
                )
                for ledger in ledgers:
                    ledger.doubt_below(ledger.end)


def _read_input(
    reader: TopicReader, ledger: Ledger, topic: str, bounds: Bounds, on_read: OnRead
) -> None:
    """Enter every record of one input partition into its ledger.

    Raises:
        BrokerError: it can't be read.
    """
    for messages in reader.read(topic, ledger.partition, bounds):
        keys = [message.key() for message in messages]
        flags = [_flags(message) for message in messages]
        ledger.add([message.offset() or 0 for message in messages], list(map(hash, keys)), flags)
        for message, flag in zip(messages, flags, strict=True):
            if flag & REPLAY and (replay := Replay.from_headers(headers_of(message))):
                ledger.replays.append((message.offset() or 0, replay))
        on_read(len(messages))
    ledger.end = bounds.end
    # Retention may have removed records before they could be read here.
    ledger.oldest = max(bounds.low, reader.bounds_of(topic, ledger.partition).low)
    ledger.seal()


def _flags(message: Message) -> int:
    flags = TOMBSTONE if message.value() is None else 0
    if message.key() is None:
        flags |= KEYLESS
    headers = headers_of(message)
    if headers and ORIGIN_HEADER in dict(headers) and Replay.from_headers(headers):
        flags |= REPLAY
    return flags


def is_compacted(config: Mapping[str, str]) -> bool:
    """Return whether later records of a key remove earlier ones."""
    return "compact" in config.get("cleanup.policy", "")


def expiry_ms(config: Mapping[str, str], now_ms: int) -> int | None:
    """Return the time before which a topic's records may have been removed.

    Args:
        config: of the topic, by Kafka's names; empty: not known.
        now_ms: milliseconds since 1970.

    Returns:
        Milliseconds since 1970; 0: no record is ever removed; None: any record may have been.
    """
    try:
        retention_ms, max_bytes = int(config["retention.ms"]), int(config["retention.bytes"])
    except (KeyError, ValueError):
        return None
    if max_bytes >= 0 or is_compacted(config):
        return None
    return 0 if retention_ms < 0 else now_ms - retention_ms
