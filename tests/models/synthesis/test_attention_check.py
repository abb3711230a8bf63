from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.synthesis.attention_check import check_reading, step_limit


def path(*places: int, symbols: int = 40) -> npt.NDArray[np.float32]:
    """Attention that is wholly on one symbol in each step."""
    return np.eye(symbols, dtype=np.float32)[list(places)]


READ = list(range(40))


def test_a_whole_reading_has_no_faults() -> None:
    reading = check_reading(path(*READ), True, 0.05)
    assert (reading.num_steps, reading.faults) == (40, ())


def test_a_runaway_is_cut_behind_the_end_of_the_text() -> None:
    reading = check_reading(path(*READ, *[39] * 60), False, 0.05)
    assert reading.num_steps == 39 + 6  # symbol 38 is reached, then 0.3 seconds
    assert reading.faults == ("did not stop: cut at 2.2 s",)


def test_a_runaway_that_is_stuck_is_kept_to_its_limit_and_said() -> None:
    reading = check_reading(path(*[5] * 50), False, 0.05)
    assert reading.num_steps == 50
    assert reading.faults == (
        "did not stop: cut at 2.5 s",
        "only 6 of 40 characters were read",
    )


def test_a_text_that_ends_early_is_said() -> None:
    reading = check_reading(path(*READ[:20]), True, 0.05)
    assert reading.faults == ("only 20 of 40 characters were read",)


def test_repeats_and_skips_are_said() -> None:
    again = check_reading(path(*READ[:30], *READ[10:]), True, 0.05)
    assert again.faults == ("a part was read again",)
    skipped = check_reading(path(*READ[:10], *READ[25:]), True, 0.05)
    assert skipped.faults == ("a part was skipped",)


@pytest.mark.parametrize("symbols", [1, 2, 3])
def test_short_texts(symbols: int) -> None:
    reading = check_reading(path(*range(symbols), symbols=symbols), True, 0.05)
    assert (reading.num_steps, reading.faults) == (symbols, ())
    runaway = check_reading(path(*range(symbols), *[symbols - 1] * 9, symbols=symbols), False, 0.05)
    assert 1 <= runaway.num_steps <= symbols + 7
    assert len(runaway.faults) == 1


def test_longer_texts_may_take_longer() -> None:
    assert step_limit(1, 0.05) == 23
    assert step_limit(60, 0.05) == 200
    assert step_limit(1, 100.0) == 1
