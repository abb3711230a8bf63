import pytest

from agents.commands.audit.retention import expiry_ms, is_compacted

KEPT = {"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (KEPT, 1_000_000_000_000 - 604_800_000),
        ({**KEPT, "retention.ms": "-1"}, 0),
        ({**KEPT, "retention.bytes": "1000000"}, None),
        ({**KEPT, "cleanup.policy": "compact,delete"}, None),
        ({}, None),
    ],
)
def test_expiry_follows_retention(config: dict[str, str], expected: int | None) -> None:
    assert expiry_ms(config, 1_000_000_000_000) == expected


def test_compaction() -> None:
    assert is_compacted({"cleanup.policy": "compact,delete"})
    assert not is_compacted(KEPT)
    assert not is_compacted({})
