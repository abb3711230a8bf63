"""Steps of the system clock are noticed; drift, pauses and interruptions are not steps."""

from __future__ import annotations

import pytest

from streams.health.clock_steps import ClockSteps


class World:
    """A monotonic and a system clock that a test moves."""

    def __init__(self) -> None:
        self.mono, self.wall = 100.0, 1_700_000_000.0
        self.interruption = 0.0
        self.num_steps = 0
        self.steps = ClockSteps(self._count, lambda: self.mono, self._read_wall)
        self.steps.look()

    def _count(self) -> None:
        self.num_steps += 1

    def _read_wall(self) -> float:
        now = self.wall
        self.mono += self.interruption
        self.wall += self.interruption
        return now

    def pass_seconds(self, seconds: float, step: float = 0.0) -> None:
        self.mono += seconds
        self.wall += seconds + step
        self.steps.look()


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(("step", "word"), [(7200.0, "forward"), (-7200.0, "back")])
def test_a_step_is_logged_and_counted_once(
    world: World, caplog: pytest.LogCaptureFixture, step: float, word: str
) -> None:
    world.pass_seconds(0.5, step)
    world.pass_seconds(0.5)
    assert world.num_steps == 1
    (record,) = caplog.records
    assert record.getMessage().startswith(f"the system clock has moved {word} by 7200.0 s")


def test_gradual_corrections_and_pauses_are_no_steps(world: World) -> None:
    for _ in range(1000):
        world.pass_seconds(1.0, 0.0005)
    world.pass_seconds(3600.0)
    assert world.num_steps == 0


def test_an_interruption_between_the_readings_is_no_step(world: World) -> None:
    """A frozen process (SIGSTOP) may be interrupted between two statements."""
    world.interruption = 60.0
    world.pass_seconds(0.5)
    world.interruption = 0.0
    world.pass_seconds(0.5)
    assert world.num_steps == 0
    world.pass_seconds(0.5, -5.0)
    assert world.num_steps == 1
