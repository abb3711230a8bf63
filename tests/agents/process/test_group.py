"""Several processes run as one: they start, stop and fail together."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.process.group import run_together
from tests.waiting import wait_until

_ORDERLY = """
import signal, sys, time
from pathlib import Path
def finish(*_):
    Path(sys.argv[1]).write_text("finished")
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
Path(sys.argv[1]).write_text("ready")
time.sleep(60)
"""
_STUBBORN = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(sys.argv[1]).write_text("ready")
time.sleep(60)
"""
_ENDS_WHEN_THE_OTHER_IS_READY = """
import sys, time
from pathlib import Path
while not Path(sys.argv[1]).exists() or not Path(sys.argv[1]).read_text(): time.sleep(0.01)
{end}
"""


Stop = Callable[[Callable[[], bool]], None]


def python(code: str, file: Path) -> list[str]:
    return [sys.executable, "-c", code, str(file)]


@pytest.fixture
def stop_when() -> Iterator[Stop]:
    """Send this process SIGTERM, as a service manager does, once a condition holds."""
    threads: list[threading.Thread] = []

    def wait_and_stop(condition: Callable[[], bool]) -> None:
        wait_until("it is time to stop", condition)
        os.kill(os.getpid(), signal.SIGTERM)

    def start(condition: Callable[[], bool]) -> None:
        threads.append(threading.Thread(target=wait_and_stop, args=(condition,)))
        threads[-1].start()

    # A late signal must not end the test run.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield start
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGTERM, before)


def is_written(file: Path) -> bool:
    return file.exists() and file.read_text() != ""


def test_sigterm_stops_all_in_order(tmp_path: Path, stop_when: Stop) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    stop_when(lambda: is_written(first) and is_written(second))
    commands = {"1/2": python(_ORDERLY, first), "2/2": python(_ORDERLY, second)}
    assert run_together(commands, stop_seconds=20) == 0
    assert [first.read_text(), second.read_text()] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("end", "code", "description"),
    [
        ("sys.exit(3)", 3, "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9, "signal 9"),
    ],
)
def test_the_first_failure_stops_the_others_and_gives_the_exit_code(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str, code: int, description: str
) -> None:
    file = tmp_path / "1"
    commands = {
        "1/2": python(_ORDERLY, file),
        "2/2": python(_ENDS_WHEN_THE_OTHER_IS_READY.format(end=end), file),
    }
    assert run_together(commands, stop_seconds=20) == code
    assert file.read_text() == "finished"
    assert f"[2/2] ended by itself with {description}" in caplog.text


def test_a_process_that_ends_in_order_leaves_the_others_running(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stop_when: Stop
) -> None:
    file = tmp_path / "1"
    end = "Path(sys.argv[1]).with_name('2').write_text('ended')"
    commands = {
        "1/2": python(_ORDERLY, file),
        "2/2": python(_ENDS_WHEN_THE_OTHER_IS_READY.format(end=end), file),
    }
    stop_when(lambda: "1 go on" in caplog.text)
    assert run_together(commands, stop_seconds=20) == 0
    assert file.read_text() == "finished"


def test_a_process_that_does_not_stop_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stop_when: Stop
) -> None:
    file = tmp_path / "1"
    stop_when(lambda: is_written(file))
    assert run_together({"1/1": python(_STUBBORN, file)}, stop_seconds=0.3) == 1
    assert "[1/1] did not end within 0.3 s and is killed" in caplog.text
