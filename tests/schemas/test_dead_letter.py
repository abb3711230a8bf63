import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import DeadLetter, Origin

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
COUNT = st.integers(0, 2**62)
LETTERS = st.builds(
    DeadLetter,
    origin=st.builds(Origin, TEXT, COUNT, COUNT),
    agent=TEXT,
    reason=TEXT,
    message=TEXT,
    exception=TEXT,
    attempts=COUNT,
    failed_at_ms=COUNT,
    full_bytes=st.integers(-1, 2**62),
    cut=TEXT,
    timestamp_ms=st.integers(-1, 2**62),
)


@given(LETTERS)
def test_headers_round_trip(letter: DeadLetter) -> None:
    assert DeadLetter.from_headers(letter.to_headers()) == letter


@given(LETTERS, st.lists(st.tuples(TEXT, st.binary(max_size=20)), max_size=5))
def test_the_headers_of_the_original_are_kept(
    letter: DeadLetter, original: list[tuple[str, bytes]]
) -> None:
    assert DeadLetter.from_headers([*original, *letter.to_headers()]) == letter


def test_the_last_headers_of_a_repeated_dead_letter_count() -> None:
    first, second = (
        DeadLetter(origin=Origin("t", 0, n), agent="a", reason="r", message="m", exception="E")
        for n in range(2)
    )
    assert DeadLetter.from_headers([*first.to_headers(), *second.to_headers()]) == second


def test_headers_of_other_records_are_refused() -> None:
    with pytest.raises(KeyError):
        DeadLetter.from_headers([("ce_id", b"1")])


def test_a_message_that_is_not_unicode_is_kept() -> None:
    letter = DeadLetter(
        origin=Origin("t", 0, 1), agent="a", reason="r", message="\ud800x", exception="E"
    )
    assert DeadLetter.from_headers(letter.to_headers()).message == "?x"
