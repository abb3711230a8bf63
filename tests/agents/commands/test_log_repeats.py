"""A library that says the same thing over and over is heard once in ten seconds."""

from __future__ import annotations

import logging

from agents.commands.log_repeats import NoRepeats


def test_a_repeat_is_left_out_until_it_is_old() -> None:
    now = 0.0
    repeats = NoRepeats(lambda: now)

    def heard(message: str) -> bool:
        return repeats.filter(logging.makeLogRecord({"name": "lib", "msg": message}))

    assert heard("a")
    assert not heard("a")
    assert heard("b")
    now = 9.9
    assert not heard("a")
    now = 10.1
    assert heard("a")


def test_memory_is_bounded() -> None:
    repeats = NoRepeats(lambda: 0.0)
    for i in range(5000):
        assert repeats.filter(logging.makeLogRecord({"name": "lib", "msg": f"line {i}"}))
    assert len(repeats._last) <= 1000
