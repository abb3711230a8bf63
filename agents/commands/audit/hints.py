"""Say what may explain records without output: hints for people, never part of the verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from confluent_kafka import Message

from agents.commands.audit.describing import named, partitions_of
from agents.commands.audit.envelope import origin_of
from agents.commands.audit.ledger import TOMBSTONE, Ledger
from agents.commands.audit.report import AgentReport
from schemas import Origin
from streams.kafka.admin import probe
from streams.kafka.errors import BrokerError
from streams.kafka.message_headers import headers_of
from streams.kafka.reader import Bounds, TopicReader
from streams.kafka.settings import Kafka

#: Results of other pipelines are looked for among so many last records of each partition, in so
#: many partitions at most.
_NUM_LAST, _MAX_PARTITIONS = 200, 500
_SOURCE = b"penstock/"


def hint_at_missing(ledgers: Sequence[Ledger], report: AgentReport) -> Iterator[str]:
    """Yield where the missing records are, and what that place may mean."""
    with_missing = [ledger for ledger in ledgers if len(ledger.missing)]
    if not with_missing:
        return
    ranges = [
        f"[{ledger.partition}] offsets {first}-{last}"
        for ledger in with_missing
        for first, last in _ranges(ledger)
    ]
    yield f"missing in {report.input}: {named(ranges)}"
    if all(_is_before_first(ledger) for ledger in with_missing):
        yield (
            "all missing records come before the first result and dead letter of their partition: "
            f"if {report.output} was deleted and made again, their output went with it. Otherwise "
            "they are lost, or the group began behind them (`latest`, or offsets set by hand: "
            "use --since)"
        )


def hint_at_other_pipelines(
    kafka: Kafka, reader: TopicReader, group: str, ledgers: Sequence[Ledger], report: AgentReport
) -> Iterator[str]:
    """Yield which topics hold results of other pipelines for records without an outcome here.

    Args:
        kafka: client settings by librdkafka's names.
        reader: of results.
        group: the pipeline's consumer group.
        ledgers: of the input's partitions, in order.
        report: of the agent.
    """
    found = defaultdict[tuple[str, str], set[int]](set)
    topics, num_left_out = _topics_to_search(probe(kafka).topics, report.output)
    for topic, partitions in topics.items():
        for message in _last_records(reader, topic, partitions):
            agent, origin = _answer(message)
            is_own = topic == report.output and agent == report.agent
            if origin and not is_own and _is_open(origin, ledgers, report):
                found[topic, agent].add(origin.partition)
    for (topic, agent), answered in found.items():
        yield (
            f"{topic} holds results of an agent {agent!r} for records that have none here, in "
            f"{partitions_of(sorted(answered))}: another pipeline answers this input. If it uses "
            f"the same group.id ({group}), the two share the records: give each its own"
        )
    if num_left_out:
        yield f"results of other pipelines were not looked for in {num_left_out} other topics"


def _topics_to_search(topics: Mapping[str, int], first: str) -> tuple[Mapping[str, int], int]:
    """Return topics within the limit of partitions, and how many are left out.

    Args:
        topics: number of partitions by name; Kafka's internal ones are never searched.
        first: the topic to begin with.
    """
    searched, num_partitions, num_left_out = dict[str, int](), 0, 0
    for topic in sorted(topics, key=lambda topic: (topic != first, topic)):
        partitions = topics[topic]
        if topic.startswith("__"):
            continue
        if num_partitions + partitions > _MAX_PARTITIONS:
            num_left_out += 1
            continue
        searched[topic] = partitions
        num_partitions += partitions
    return searched, num_left_out


def _ranges(ledger: Ledger) -> Iterator[tuple[int, int]]:
    """Yield the first and last offset of each run of missing records."""
    rows = np.searchsorted(ledger.offsets, ledger.missing)
    for run in np.split(ledger.missing, np.flatnonzero(np.diff(rows) > 1) + 1):
        yield int(run[0]), int(run[-1])


def _is_before_first(ledger: Ledger) -> bool:
    first = ledger.first_answered()
    return first is None or int(ledger.missing[-1]) < first


def _last_records(reader: TopicReader, topic: str, partitions: int) -> Iterator[Message]:
    """Yield the last records of each partition; nothing of a topic that can't be read."""
    try:
        for partition, bounds in enumerate(reader.bounds(topic, partitions)):
            last = Bounds(max(bounds.low, bounds.end - _NUM_LAST), bounds.end)
            for messages in reader.read(topic, partition, last):
                yield from messages
    except BrokerError:
        return


def _answer(message: Message) -> tuple[str, Origin | None]:
    """Return the agent and the input record of a result; None for any other record."""
    headers = dict(headers_of(message))
    source = headers.get("ce_source", b"")
    if not source.startswith(_SOURCE):
        return "", None
    try:
        origin = origin_of(headers, message.value())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "", None
    return source.removeprefix(_SOURCE).decode("utf-8", "replace"), origin


def _is_open(origin: Origin, ledgers: Sequence[Ledger], report: AgentReport) -> bool:
    if origin.topic != report.input or not 0 <= origin.partition < len(ledgers):
        return False
    ledger = ledgers[origin.partition]
    row = ledger.row_of(origin.offset) if abs(origin.offset) < 2**63 else None
    return row is not None and not (ledger.has_outcome | ledger.has(TOMBSTONE))[row]
