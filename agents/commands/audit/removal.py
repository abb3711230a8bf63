"""What a topic's own settings may have removed from it."""

from __future__ import annotations

from collections.abc import Mapping


def is_compacted(config: Mapping[str, str]) -> bool:
    """Return whether later records of a key remove earlier ones."""
    return "compact" in config.get("cleanup.policy", "")


def expiry_ms(config: Mapping[str, str], now_ms: int) -> int | None:
    """Return the moment before which a topic's records may have been removed.

    Args:
        config: of the topic, by Kafka's names; empty: not known.
        now_ms: milliseconds since 1970.

    Returns:
        Milliseconds since 1970; 0: none is ever removed; None: any may have been.
    """
    try:
        retention_ms, max_bytes = int(config["retention.ms"]), int(config["retention.bytes"])
    except (KeyError, ValueError):
        return None
    if max_bytes >= 0 or is_compacted(config):
        return None
    return 0 if retention_ms < 0 else now_ms - retention_ms
