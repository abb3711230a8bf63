"""Read an agent's results: which record each answers, with which value, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from confluent_kafka import Message

from agents.commands.audit.columns import Answers
from agents.commands.audit.envelope import origin_of
from agents.commands.audit.incarnation import Incarnation
from agents.commands.audit.ledger import (
    MAX_OFFSET,
    Ledger,
    OnRead,
    describe_origin,
    place_of,
)
from agents.commands.audit.report import AgentReport, Problem
from agents.commands.audit.retention import Expiry
from schemas import Origin
from streams.kafka.message_headers import headers_of
from streams.kafka.positions import split_id_suffix
from streams.kafka.reader import Bounds, TopicReader

_NO_EXPIRY = Expiry((), ())


class ResultReader:
    """Reads the output topic of one agent into the ledgers of its input partitions."""

    def __init__(
        self,
        report: AgentReport,
        ledgers: Sequence[Ledger],
        other_sources: frozenset[bytes] = frozenset(),
        other_inputs: frozenset[str] = frozenset(),
        expiry: Expiry = _NO_EXPIRY,
    ) -> None:
        """Read nothing yet.

        Args:
            report: receives counts and problems.
            ledgers: of the input's partitions, in order.
            other_sources: `ce_source` of other agents that write to the same topic.
            other_inputs: the agent's other input topics; each has a separate audit.
            expiry: of the output.
        """
        self._report = report
        self._ledgers = ledgers
        self._other_sources = other_sources
        self._other_inputs = other_inputs
        self._expiry = expiry
        self._incarnation = Incarnation(report)
        self._source = f"penstock/{report.agent}".encode()

    def read(
        self,
        reader: TopicReader,
        partition: int,
        bounds: Bounds,
        num_partitions: int,
        on_read: OnRead,
    ) -> None:
        """Enter every result of one output partition.

        Raises:
            BrokerError: it can't be read.
        """
        topic, first = self._report.output, dict[int, int]()
        for messages in reader.read(topic, partition, bounds):
            rows: dict[int, list[tuple[int, int, int, int, int]]] = {}
            for message, origin, index in self.results(messages):
                if origin.partition % num_partitions != partition:
                    self._misplaced(message, origin)
                first.setdefault(origin.partition, origin.offset)
                rows.setdefault(origin.partition, []).append(
                    (origin.offset, index, hash(message.value()),
                     place_of(partition, message.offset() or 0), hash(message.key()))
                )  # fmt: skip
            for input_partition, answers in rows.items():
                columns = np.asarray(answers, np.int64).T
                self._ledgers[input_partition].answer(Answers(*columns))
                self._report.results += len(answers)
            on_read(len(messages))
        if bounds.low:
            # Results are in the order of their records, so the removed ones are of earlier records.
            for ledger in self._ledgers:
                if ledger.partition % num_partitions == partition:
                    below = first.get(ledger.partition, ledger.end)
                    expected_below = self._expiry.expected_below[ledger.partition]
                    ledger.doubt_below(below, expired_below=expected_below)

    def results(self, messages: Sequence[Message]) -> Iterator[tuple[Message, Origin, int]]:
        """Yield this agent's results with their origin and index; problems go to the report."""
        input_topic, num_inputs = self._report.input, len(self._ledgers)
        incarnation = self._incarnation
        for message in messages:
            headers = _by_name(message)
            source = headers.get("ce_source")
            if source != self._source:
                self._report.foreign += source not in self._other_sources
                continue
            try:
                origin = origin_of(headers, message.value())
                index, topic_id = _parse_id(headers["ce_id"], origin, self._report.agent)
            except (msgspec.MsgspecError, KeyError, ValueError, TypeError, RecursionError) as error:
                self._unreadable(message, error)
                continue
            if origin.topic in self._other_inputs:
                continue
            if origin.topic == input_topic and incarnation.is_earlier(topic_id):
                continue
            is_valid = 0 <= origin.partition < num_inputs and 0 <= origin.offset <= MAX_OFFSET
            if origin.topic != input_topic or not is_valid:
                self._alien(message, origin)
                continue
            ledger = self._ledgers[origin.partition]
            if not incarnation.is_earlier_by_time(message, topic_id, ledger, origin):
                yield message, origin, index

    def _unreadable(self, message: Message, error: Exception) -> None:
        self._blame(Problem.UNREADABLE, message, f"{type(error).__name__}: {error}"[:200])

    def _alien(self, message: Message, origin: Origin) -> None:
        self._blame(
            Problem.ALIEN,
            message,
            f"a result for {describe_origin(origin)}, which is not an input of this agent",
        )

    def _misplaced(self, message: Message, origin: Origin) -> None:
        detail = f"answers partition {origin.partition}: it belongs to another partition"
        self._blame(Problem.MISPLACED, message, detail)

    def _blame(self, problem: Problem, message: Message, detail: str) -> None:
        place = message.partition() or 0, message.offset() or 0
        self._report.blame(problem, self._report.output, *place, detail)


def _by_name(message: Message) -> dict[str, bytes]:
    headers = headers_of(message)
    return dict(headers) if headers else {}


def _parse_id(result_id: bytes, origin: Origin, agent: str) -> tuple[int, str]:
    """Return the number of a result among the results of its record, and the input's topic id.

    Raises:
        ValueError: the id is of another record or agent.
    """
    plain, topic_id = split_id_suffix(result_id.decode())
    head, _, index = plain.rpartition(":")
    expected = f"{origin.topic}:{origin.partition}:{origin.offset}:{agent}:"
    if not head.startswith(expected) or not index.isdecimal() or len(index) > 6:
        raise ValueError(f"ce_id is {result_id[:100]!r}: expected {expected}TYPE:INDEX")
    return int(index), topic_id
