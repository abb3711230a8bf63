"""Read a contender's output back and check each result against its input record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from benchmarks.harness.inputs import Input
from benchmarks.harness.topics import read_all
from schemas import Origin
from streams.kafka.errors import BrokerError
from streams.kafka.positions import split_id_suffix

#: The header of results (`streams/encoding.py`) whose value differs from run to run.
TIMING_HEADER = "penstock_timing"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WrongOutputError(Exception):
    """A contender's output is wrong; the message names the first fault."""


class _Envelope(msgspec.Struct):
    schema_version: int
    source_id: str
    event_id: str
    event_time_ms: int
    origin: Origin
    model: str
    model_version: str


class Verifier:
    """Checks results one by one and counts the answered records. Not reusable."""

    def __init__(
        self,
        source: Input,
        topic: str,
        partitions: int,
        agent: str,
        model: str,
        model_version: str = "1",
    ) -> None:
        """Define the expected output.

        Args:
            source: of the input.
            topic: of the input.
            partitions: of the input.
            agent: in `ce_source` and `ce_id`.
            model: named in the values.
            model_version: the same.
        """
        self._source, self._topic, self._partitions = source, topic, partitions
        self._model = (model, model_version)
        self._constant = {
            "ce_specversion": b"1.0",
            "ce_type": source.kind.encode(),
            "ce_source": f"penstock/{agent}".encode(),
            "content-type": b"application/json",
        }
        self._id_end = f":{agent}:{source.kind}:0"
        self._seen = bytearray(source.num_records)
        self._last_of_key: dict[bytes, tuple[int, int]] = {}
        self._decode = msgspec.json.Decoder(_Envelope).decode

    def add(
        self, partition: int, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> int:
        """Check one result; a partition's results must come in its order.

        Returns:
            The index of the record that it answers.

        Raises:
            WrongOutputError: it is wrong, repeated, or out of order.
        """
        try:
            envelope = self._decode(value)
        except msgspec.MsgspecError as error:
            raise WrongOutputError(f"a value is not a result: {error}: {value[:200]!r}") from error
        index = self._index(envelope.origin)
        fault = (
            self._fault_of_order(index, partition, key)
            or self._fault_of_envelope(index, envelope)
            or self._source.fault(index, value)
            or self._fault_of_headers(index, envelope.origin, headers)
        )
        if fault:
            raise WrongOutputError(f"the result of {_describe(envelope.origin)}: {fault}")
        return index

    def finish(self) -> None:
        """Check that nothing is missing.

        Raises:
            WrongOutputError: records have no result.
        """
        missing = self._seen.count(0)
        if missing:
            first = self._seen.index(0)
            where = f"{self._topic}:{first % self._partitions}:{first // self._partitions}"
            raise WrongOutputError(f"{missing} records have no result, the first is {where}")

    def _index(self, origin: Origin) -> int:
        index = origin.offset * self._partitions + origin.partition
        is_one = 0 <= origin.partition < self._partitions and 0 <= index < len(self._seen)
        if origin.topic != self._topic or not is_one:
            raise WrongOutputError(
                f"a result answers {_describe(origin)}, which is not in the input"
            )
        if self._seen[index]:
            raise WrongOutputError(f"{_describe(origin)} is answered twice")
        self._seen[index] = 1
        return index

    def _fault_of_order(self, index: int, partition: int, key: bytes | None) -> str:
        expected = self._source.key(index)
        if key != expected:
            return f"its key is {key!r}: expected {expected!r}"
        last = self._last_of_key.get(expected)
        self._last_of_key[expected] = partition, index
        if last is None or (last[0] == partition and last[1] < index):
            return ""
        return f"it comes after a later one of its key {key!r}, or on another partition"

    def _fault_of_envelope(self, index: int, envelope: _Envelope) -> str:
        source = self._source
        expected = (1, source.event_time_ms(index), source.event_id(index), source.key(index))
        actual = (
            envelope.schema_version,
            envelope.event_time_ms,
            envelope.event_id,
            envelope.source_id.encode(),
        )
        if actual != expected or (envelope.model, envelope.model_version) != self._model:
            return f"the envelope is {envelope}: expected {(*expected, *self._model)}"
        return ""

    def _fault_of_headers(
        self, index: int, origin: Origin, headers: Sequence[tuple[str, bytes]]
    ) -> str:
        by_name = dict(headers)
        if not by_name.pop(TIMING_HEADER, b"") or len(headers) != len(by_name) + 1:
            return f"its headers are {headers}: expected each once, {TIMING_HEADER} among them"
        by_name["ce_id"] = split_id_suffix(by_name["ce_id"].decode())[0].encode()
        expected = {
            **self._constant,
            "ce_id": f"{_describe(origin)}{self._id_end}".encode(),
            "ce_time": _time(self._source.event_time_ms(index)),
        }
        return "" if by_name == expected else f"its headers are {by_name}: expected {expected}"


def _time(time_ms: int) -> bytes:
    # By the standard library: an independent check of `format_time`.
    moment = (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z").encode()


def _describe(origin: Origin) -> str:
    return f"{origin.topic}:{origin.partition}:{origin.offset}"


def verify(servers: str, topic: str, partitions: int, verifier: Verifier) -> None:
    """Read a topic from its beginning to its end and check every record.

    Raises:
        WrongOutputError: the output is wrong, or can't be read back.
    """
    try:
        for message in read_all(servers, topic, partitions):
            partition, value = message.partition() or 0, message.value() or b""
            verifier.add(partition, message.key(), value, message.headers() or [])
    except BrokerError as error:
        raise WrongOutputError(str(error)) from error
    verifier.finish()
