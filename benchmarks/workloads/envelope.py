"""A result's envelope and headers, as Penstock writes them.

A copy on purpose: the peers must not import Penstock. The bench checks every contender's output,
Penstock's too, in the same way (`benchmarks/harness/verifying.py`), so the two can't drift apart.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

Headers = list[tuple[str, bytes]]


class Origin(msgspec.Struct, frozen=True):
    """The input record that a result answers."""

    topic: str
    partition: int
    offset: int


class Answer(msgspec.Struct, kw_only=True):
    """The base of every result's value; a workload adds its fields."""

    schema_version: int = 1
    source_id: str = ""
    event_id: str = ""
    event_time_ms: int = 0
    origin: Origin = Origin("", -1, -1)
    model: str = ""
    model_version: str = ""


def constant_headers(kind: str, agent: str) -> Headers:
    """Return the headers that all results of an agent share."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", f"penstock.{kind}.v1".encode()),
        ("ce_source", f"penstock/{agent}".encode()),
        ("content-type", b"application/json"),
    ]


def batch_headers(batch_size: int, queue_seconds: float, model_seconds: float) -> Headers:
    """Return the headers that all results of a batch share."""
    timing = b"processed=%d;batch=%d;queue=%.6f;model=%.6f"
    now_ms = time.time_ns() // 1_000_000
    return [("penstock_timing", timing % (now_ms, batch_size, queue_seconds, model_seconds))]


def format_time(time_ms: int) -> bytes:
    """Return a moment as RFC 3339 with milliseconds, in UTC."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return b"%b.%03dZ" % (_format_second(seconds), milliseconds)


@lru_cache(maxsize=4096)
def _format_second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
