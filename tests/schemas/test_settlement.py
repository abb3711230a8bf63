import pytest

from schemas import Origin, Settlement

SETTLED = Settlement(letter=Origin("t.dlq", 1, 2), action="dropped", settled_at_ms=3)


def test_round_trip() -> None:
    key, value, headers = SETTLED.to_record()
    assert key == b"settled:t.dlq:1:2"
    assert Settlement.from_record(value, headers) == SETTLED


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"not JSON"])
def test_other_records_are_no_settlement(value: bytes | None) -> None:
    headers = SETTLED.to_record()[2]
    assert Settlement.from_record(value, headers) is None
    assert Settlement.from_record(SETTLED.to_record()[1], [("ce_type", b"other")]) is None
