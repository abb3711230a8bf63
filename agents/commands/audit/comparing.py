"""Whether a repeat says the same as the first answer, to within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from confluent_kafka import Message

from agents.commands.audit.inputs import OnRead
from agents.commands.audit.ledger import Ledger, place_of
from agents.commands.audit.report import AgentReport, Problem
from agents.commands.audit.results import ResultReader
from streams.kafka.reader import Bounds, TopicReader
from streams.message_headers import headers_of


def blame_differing(ledgers: Sequence[Ledger]) -> None:
    """Blame every repeat whose bytes are not the first answer's."""
    for ledger in ledgers:
        for place, (row, _) in ledger.differing.items():
            _blame(ledger, row, place)


def compare_differing(
    ledgers: Sequence[Ledger],
    report: AgentReport,
    reader: TopicReader,
    bounds: Sequence[Bounds],
    tolerance: float,
    on_read: OnRead,
) -> None:
    """Read the output once more, and blame each differing repeat that is beyond the tolerance.

    Args:
        ledgers: of the input's partitions, in order.
        report: of the agent.
        reader: as for the first reading.
        bounds: of the output's partitions, as for the first reading.
        tolerance: see `is_close`.
        on_read: told how many records were read.

    Raises:
        BrokerError: it can't be read.
    """
    wanted = [set(ledger.differing.values()) for ledger in ledgers]
    first: dict[tuple[int, int, int], Any] = {}
    # What it finds wrong was told at the first reading.
    unheard = replace(report, problems=report.problems.copy(), culprits=[])
    results = ResultReader(unheard, ledgers)
    for partition, bound in enumerate(bounds):
        for messages in reader.read(report.output, partition, bound):
            for message, origin, index in results.results(messages):
                ledger = ledgers[origin.partition]
                row = ledger.row_of(origin.offset)
                if row is None or (row, index) not in wanted[origin.partition]:
                    continue
                value = _decoded(message)
                expected = first.setdefault((origin.partition, row, index), value)
                place = place_of(partition, message.offset() or 0)
                if place in ledger.differing and not is_close(value, expected, tolerance):
                    _blame(ledger, row, place)
            on_read(len(messages))


def is_close(found: Any, expected: Any, tolerance: float) -> bool:
    """Return whether two decoded values are equal but for their numbers' last digits.

    Args:
        found: of dicts, lists, texts, numbers, truths and nulls.
        expected: the same.
        tolerance: how far numbers may be apart, as a share of the larger one, or, where both are
            below 1, absolutely.
    """
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            is_close(found[name], expected[name], tolerance) for name in found
        )
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(
            is_close(*pair, tolerance) for pair in zip(found, expected, strict=True)
        )
    if _is_number(found) and _is_number(expected):
        return bool(abs(found - expected) <= tolerance * max(1.0, abs(found), abs(expected)))
    return type(found) is type(expected) and bool(found == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decoded(message: Message) -> Any:
    value, headers = message.value() or b"", dict(headers_of(message))
    if headers.get("content-type") == b"application/msgpack":
        return msgspec.msgpack.decode(value)
    return msgspec.json.decode(value)


def _blame(ledger: Ledger, row: int, place: int) -> None:
    ledger.blame_result(Problem.DIFFERING, row, place, "with another value than before")
