import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Origin, Replay
from schemas.replay import ORIGIN_HEADER

ORIGINS = st.builds(
    Origin,
    st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
)
REPLAYS = st.builds(
    Replay,
    origin=ORIGINS,
    attempt=st.integers(1),
    letter=st.none() | ORIGINS,
    replayed_at_ms=st.integers(0),
)


@given(REPLAYS)
def test_headers_round_trip(replay: Replay) -> None:
    assert Replay.from_headers([("mine", b"1"), *replay.to_headers()]) == replay


def test_the_last_of_two_headers_counts() -> None:
    first, second = (Replay(origin=Origin("t", 0, n), attempt=n) for n in (1, 2))
    assert Replay.from_headers([*first.to_headers(), *second.to_headers()]) == second


@pytest.mark.parametrize(
    "origin",
    [b"", b"t:0", b"t:0:x", b"\xff:0:1", b"a:b:0:1", b"t:-1:0", b"t:0:9223372036854775808"],
)
def test_invalid_headers_are_no_replay(origin: bytes) -> None:
    headers = [*Replay(origin=Origin("t", 0, 1)).to_headers(), (ORIGIN_HEADER, origin)]
    assert Replay.from_headers(headers) is None


def test_a_record_without_the_headers_is_no_replay() -> None:
    assert Replay.from_headers([("ce_id", b"1")]) is None
