"""Which output may be gone by a topic's own settings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streams.kafka.reader import Bounds, TopicReader


@dataclass(frozen=True)
class Expiry:
    """For each input partition, the offsets below which output may be gone."""

    below: Sequence[int]
    """Output for records below these offsets may be gone by the settings of its topic."""
    expected_below: Sequence[int]
    """The same, and by its settings the input need not have these records any more either."""


def expiry(
    inputs: TopicReader,
    topic: str,
    held: Sequence[Bounds],
    output: Sequence[Bounds],
    config: Mapping[str, str],
    input_config: Mapping[str, str],
) -> Expiry:
    """Find the records whose output may be gone by the output's settings.

    Args:
        inputs: reader of the input.
        topic: the input.
        held: bounds of the input's partitions.
        output: bounds of the output's partitions.
        config: of the output's topic, by Kafka's names; empty: not known.
        input_config: of the input's topic.

    Raises:
        BrokerError: the broker can't find offsets by time.
    """
    now_ms = time.time_ns() // 1_000_000
    is_cut = any(bound.low for bound in output)

    def below(before_ms: int | None) -> list[int]:
        if before_ms is None:
            return [bound.end for bound in held]
        if before_ms <= 0 or not is_cut:
            return [0] * len(held)
        return [bound.low for bound in inputs.since(topic, held, before_ms)]

    before_ms, input_before_ms = expiry_ms(config, now_ms), expiry_ms(input_config, now_ms)
    if not config or not input_config or is_compacted(config):
        return Expiry(below(before_ms), [0] * len(held))
    limits = [limit for limit in (before_ms, input_before_ms) if limit is not None]
    return Expiry(below(before_ms), below(min(limits, default=None)))


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
