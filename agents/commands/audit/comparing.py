"""Compare the values of repeated results with the first ones, within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from agents.commands.audit.ledger import Ledger, OnRead, place_of
from agents.commands.audit.report import AgentReport, Problem
from agents.commands.audit.results import ResultReader
from agents.commands.framed_values import AnyFramedValues
from schemas import InputError
from schemas.registry.codecs import CONTENT_TYPES
from schemas.registry.framing import PREFIX_BYTES
from schemas.values import Headers
from streams.kafka.message_headers import headers_of
from streams.kafka.reader import Bounds, TopicReader

#: Content types of values that only their schema can decode.
_BINARY = tuple(CONTENT_TYPES[codec].encode() for codec in ("avro", "protobuf"))


def blame_differing(ledgers: Sequence[Ledger]) -> None:
    """Report every repeat whose bytes differ from the first answer's."""
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
    framed: AnyFramedValues | None = None,
) -> None:
    """Read the output again and report each repeat that differs by more than the tolerance.

    Args:
        ledgers: of the input's partitions, in order.
        report: of the agent.
        reader: the one that read the output before.
        bounds: of the output's partitions, the same as before.
        tolerance: see `is_close`.
        on_read: called with the number of records read.
        framed: decodes results in Avro and Protobuf; None: no registry is named.

    Raises:
        BrokerError: it can't be read.
        RegistryError: the registry does not answer, or refuses the login.
    """
    wanted = [set(ledger.differing.values()) for ledger in ledgers]
    first: dict[tuple[int, int, int], Any] = {}
    # The first reading has reported its problems already.
    discarded = replace(report, problems=report.problems.copy(), culprits=[])
    results = ResultReader(discarded, ledgers)
    for partition, bound in enumerate(bounds):
        for messages in reader.read(report.output, partition, bound):
            for message, origin, index in results.results(messages):
                ledger = ledgers[origin.partition]
                row = ledger.row_of(origin.offset)
                if row is None or (row, index) not in wanted[origin.partition]:
                    continue
                value = decoded(message.value() or b"", headers_of(message), framed)
                expected = first.setdefault((origin.partition, row, index), value)
                place = place_of(partition, message.offset() or 0)
                if place in ledger.differing and not is_close(value, expected, tolerance):
                    _blame(ledger, row, place)
            on_read(len(messages))


def is_close(actual: Any, expected: Any, tolerance: float) -> bool:
    """Return whether two decoded values are equal, except that their numbers may differ slightly.

    Args:
        actual: made of dicts, lists, strings, numbers, booleans and nulls.
        expected: the same.
        tolerance: how much numbers may differ, as a share of the larger one; absolutely if both
            are below 1.
    """
    if isinstance(actual, dict) and isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(
            is_close(actual[name], expected[name], tolerance) for name in actual
        )
    if isinstance(actual, list) and isinstance(expected, list):
        return len(actual) == len(expected) and all(
            is_close(*pair, tolerance) for pair in zip(actual, expected, strict=True)
        )
    if _is_number(actual) and _is_number(expected):
        return bool(abs(actual - expected) <= tolerance * max(1.0, abs(actual), abs(expected)))
    return type(actual) is type(expected) and bool(actual == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def decoded(value: bytes, headers: Headers, framed: AnyFramedValues | None) -> Any:
    """Return a result's plain value; its bytes where only a registry could tell what they are.

    Raises:
        RegistryError: the registry does not answer, or refuses the login.
    """
    kind = dict(headers).get("content-type")
    if kind == b"application/msgpack":
        return msgspec.msgpack.decode(value)
    if kind in _BINARY:
        try:
            return value if framed is None else framed.read(value, headers)
        except InputError:
            return value
    if value[:1] == b"\0":  # JSON in a schema registry's frame
        value = value[PREFIX_BYTES:]
    return msgspec.json.decode(value)


def _blame(ledger: Ledger, row: int, place: int) -> None:
    ledger.blame_result(Problem.DIFFERING, row, place, "with another value than before")
