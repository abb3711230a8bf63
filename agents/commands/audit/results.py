"""Reading an agent's output: which records it answers, with what, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Message

from agents.commands.audit.inputs import OnRead
from agents.commands.audit.ledger import MAX_OFFSET, Answers, Ledger, describe_record, place_of
from agents.commands.audit.report import AgentReport, Problem
from schemas import Origin
from streams.kafka.reader import Bounds, TopicReader
from streams.message_headers import headers_of


class _Envelope(msgspec.Struct):
    """All that an audit needs of a result's value."""

    origin: Origin


_json = msgspec.json.Decoder(_Envelope)
_msgpack = msgspec.msgpack.Decoder(_Envelope)


class ResultReader:
    """Reads the output topic of one agent into the ledgers of its input partitions."""

    def __init__(
        self,
        report: AgentReport,
        ledgers: Sequence[Ledger],
        others: frozenset[bytes] = frozenset(),
        other_inputs: frozenset[str] = frozenset(),
        expired_below: Sequence[int] = (),
    ) -> None:
        """Say what to expect.

        Args:
            report: where problems go.
            ledgers: of the input's partitions, in order.
            others: `ce_source` of agents whose results the same topic may hold.
            other_inputs: the agent's other topics, each with accounts of its own.
            expired_below: of each input partition, the offset below which results may be too old
                for the topic's retention.
        """
        self._report = report
        self._ledgers = ledgers
        self._others = others
        self._other_inputs = other_inputs
        self._expired_below = expired_below
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
                at = origin.partition
                if at % num_partitions != partition:
                    self._misplaced(message, origin)
                first.setdefault(at, origin.offset)
                rows.setdefault(at, []).append(
                    (origin.offset, index, hash(message.value()),
                     place_of(partition, message.offset() or 0), hash(message.key()))
                )  # fmt: skip
            for at, found in rows.items():
                columns = np.asarray(found, np.int64).T
                self._ledgers[at].answer(Answers(*columns))
                self._report.results += len(found)
            on_read(len(messages))
        if bounds.low:
            # Results stand in the order of their records: what was removed is of earlier ones.
            for ledger in self._ledgers:
                at = ledger.partition
                if at % num_partitions == partition:
                    ledger.doubt_below(first.get(at, self._expired_below[at]))

    def results(self, messages: Sequence[Message]) -> Iterator[tuple[Message, Origin, int]]:
        """Yield this agent's results with their origin and index; problems go to the report."""
        input_topic, num_inputs = self._report.input, len(self._ledgers)
        for message in messages:
            named = _by_name(message)
            source = named.get("ce_source")
            if source != self._source:
                self._report.foreign += source not in self._others
                continue
            try:
                origin = _decoder(named)(message.value()).origin
                index = _index(named["ce_id"], origin, self._report.agent)
            except (msgspec.MsgspecError, KeyError, ValueError, TypeError, RecursionError) as error:
                self._unreadable(message, error)
                continue
            if origin.topic in self._other_inputs:
                continue
            is_one = 0 <= origin.partition < num_inputs and 0 <= origin.offset <= MAX_OFFSET
            if origin.topic != input_topic or not is_one:
                self._alien(message, origin)
                continue
            yield message, origin, index

    def _unreadable(self, message: Message, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"[:200]
        self._blame(Problem.UNREADABLE, message, told)

    def _alien(self, message: Message, origin: Origin) -> None:
        self._blame(
            Problem.ALIEN,
            message,
            f"a result for {describe_record(origin)}, which is no input of this agent",
        )

    def _misplaced(self, message: Message, origin: Origin) -> None:
        told = f"answers partition {origin.partition}: it belongs to another partition"
        self._blame(Problem.MISPLACED, message, told)

    def _blame(self, problem: Problem, message: Message, told: str) -> None:
        at = message.partition() or 0, message.offset() or 0
        self._report.blame(problem, self._report.output, *at, told)


def _by_name(message: Message) -> dict[str, bytes]:
    headers = headers_of(message)
    return dict(headers) if headers else {}


def _decoder(named: dict[str, bytes]) -> Callable[[Any], _Envelope]:
    is_msgpack = named.get("content-type") == b"application/msgpack"
    return _msgpack.decode if is_msgpack else _json.decode


def _index(result_id: bytes, origin: Origin, agent: str) -> int:
    """Return which of its record's results this is, from its id.

    Raises:
        ValueError: the id is not of this origin and agent.
    """
    head, _, index = result_id.rpartition(b":")
    expected = f"{origin.topic}:{origin.partition}:{origin.offset}:{agent}:"
    if not head.startswith(expected.encode()) or not index.isdigit() or len(index) > 6:
        raise ValueError(f"ce_id is {result_id[:100]!r}: expected {expected}TYPE:INDEX")
    return int(index)
