"""Encodes the headers of results; what the results of a micro-batch share is encoded once."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.cloudevents import constant_headers, rfc3339_column
from streams.batching import Chunk
from streams.kafka.positions import id_suffix
from streams.kafka.record_format import encode_header, header_name, varint

#: An encoded `ce_time` header without its value, which is an RFC 3339 time of 24 characters.
_TIME = header_name("ce_time") + varint(24)


class ResultHeaders:
    """The headers of the results of one micro-batch that are each the only one of their record."""

    def __init__(
        self, agent: str, source: str, content_type: str, shared: list[tuple[str, bytes]]
    ) -> None:
        """Encode nothing yet.

        Args:
            agent: the agent's name, part of every `ce_id`.
            source: the `ce_source` header.
            content_type: of the values.
            shared: further headers of all results.
        """
        self._agent = agent
        self._source = source
        self._content_type = content_type
        self.shared = shared
        self._before_ids: dict[str, tuple[bytes, bytes]] = {}

    def encode(self, kind: str, chunk: Chunk[object], times_ms: Sequence[int]) -> list[bytes]:
        """Return each row's encoded headers.

        Args:
            kind: the `ce_type` of all results.
            chunk: n rows that the results answer.
            times_ms: n event times, milliseconds since 1970; 0 where there is none.
        """
        before_timed_id, before_id = self._before_ids.get(kind) or self._encode_before_id(kind)
        topic, partition = chunk.batch.tp
        offsets, rows = chunk.batch.offsets, chunk.rows
        prefix = f"{topic}:{partition}:".encode()
        suffix = f":{self._agent}:{kind}:0{id_suffix(chunk.batch.topic_id)}".encode()
        # The length of an id depends on the number of digits of its offset.
        digits = range(len(str(offsets[rows[0]])), len(str(offsets[rows[-1]])) + 1)
        heads = {n: varint(len(prefix) + n + len(suffix)) + prefix for n in digits}
        timed_heads = {n: before_timed_id + head for n, head in heads.items()}
        timed_suffix = suffix + _TIME
        join = b"".join
        encoded = []
        for row, time_text in zip(rows, rfc3339_column(times_ms), strict=True):
            offset = b"%d" % offsets[row]
            if time_text:
                encoded.append(join((timed_heads[len(offset)], offset, timed_suffix, time_text)))
            else:
                encoded.append(join((before_id, heads[len(offset)], offset, suffix)))
        return encoded

    def _encode_before_id(self, kind: str) -> tuple[bytes, bytes]:
        """Encode what comes before the value of `ce_id`: with a `ce_time` after it, and without."""
        constant = [*constant_headers(kind, self._source, self._content_type), *self.shared]
        before = b"".join(encode_header(*header) for header in constant) + header_name("ce_id")
        encoded = varint(len(constant) + 2) + before, varint(len(constant) + 1) + before
        self._before_ids[kind] = encoded
        return encoded
