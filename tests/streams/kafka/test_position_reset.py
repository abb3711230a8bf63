from __future__ import annotations

import pytest

from streams.kafka.position_reset import LostReason, PositionReset, ResetPolicy, reset_position


@pytest.mark.parametrize("policy", ["earliest", "latest", "none"])
@pytest.mark.parametrize("position", [10, 15, 20])
def test_an_offset_of_the_partition_stays(position: int, policy: ResetPolicy) -> None:
    """The end is one too: the next record gets it."""
    assert reset_position(position, 10, 20, policy) is None


def test_removed_records_are_passed_over_up_to_the_first_that_is_left() -> None:
    reset = reset_position(3, 10, 20, "earliest")
    assert reset == PositionReset(LostReason.REMOVED, start=10, first_lost=3, num_lost=7)


def test_latest_passes_over_what_is_left_too() -> None:
    reset = reset_position(3, 10, 20, "latest")
    assert reset == PositionReset(LostReason.REMOVED, start=20, first_lost=3, num_lost=17)


@pytest.mark.parametrize(("policy", "start"), [("earliest", 10), ("latest", 20), ("none", 10)])
def test_an_offset_beyond_the_end_means_that_the_log_was_cut(
    policy: ResetPolicy, start: int
) -> None:
    reset = reset_position(50, 10, 20, policy)
    assert reset == PositionReset(LostReason.TRUNCATED, start, first_lost=20, num_lost=30)
