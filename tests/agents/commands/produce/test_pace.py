from agents.commands.produce.event_publisher import MAX_BEHIND_SECONDS, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def turns_within(seconds: float, pace: Pace, clock: Clock, work_seconds: float) -> int:
    """Count turns when each costs some work, sleeping exactly as long as asked."""
    end, turns = clock.now + seconds, 0
    while True:
        clock.now += pace.wait_seconds()
        if clock.now >= end:
            return turns
        pace.took_turn()
        clock.now += work_seconds
        turns += 1


def test_work_between_turns_is_part_of_the_schedule() -> None:
    clock = Clock()
    turns = turns_within(10.0, Pace(50, clock), clock, work_seconds=0.015)
    assert abs(turns - 500) <= 1


def test_a_stall_is_not_followed_by_all_that_was_missed() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    pace.took_turn()
    clock.now += 60
    burst = 0
    while pace.wait_seconds() == 0:
        pace.took_turn()
        burst += 1
    assert burst <= 10 * MAX_BEHIND_SECONDS + 1


def test_rate_0_never_waits() -> None:
    clock = Clock()
    pace = Pace(0, clock)
    for _ in range(1000):
        assert pace.wait_seconds() == 0
        pace.took_turn()
