"""A process ends although a thread hangs, and the first signal is a request to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from agents.process.exit import ModelHangsError, end_on_signals, exit_code_of, stop_on_signals
from streams.transport.static_member import FencedMemberError

_HANGING_THREAD = """
import sys, threading, time
from agents.process.exit import end_process, end_process_after
threading.Thread(target=time.sleep, args=(60,)).start()
sys.stdout.write("buffered")
{end}
"""


@pytest.mark.parametrize("end", ["end_process(3)", "end_process_after(0.1, 3)"])
def test_a_process_ends_although_a_thread_hangs(end: str) -> None:
    command = [sys.executable, "-c", _HANGING_THREAD.format(end=end)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (3, "buffered")


def test_a_hanging_model_has_its_exit_code() -> None:
    assert exit_code_of(ModelHangsError("agent a: a model call has not returned")) == 3
    assert exit_code_of(RuntimeError("the broker refuses the output")) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop_and_the_second_acts_as_usual(number: signal.Signals) -> None:
    raised: list[int] = []
    before = signal.signal(number, lambda *_: raised.append(number))
    try:
        with stop_on_signals() as is_stopping:
            assert not is_stopping()
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert (is_stopping(), raised) == (True, [])
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert raised == [number]
    finally:
        signal.signal(number, before)


_LOADING = """
import os, signal, threading, time
from agents.process.exit import end_on_signals
threading.Thread(target=time.sleep, args=(60,)).start()
with end_on_signals():
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_process_although_a_model_loads(name: str) -> None:
    command = [sys.executable, "-c", _LOADING.format(name=name)]
    assert subprocess.run(command, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("handle", [stop_on_signals, end_on_signals])
def test_signal_handlers_are_restored(handle: Callable[[], AbstractContextManager[object]]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with handle():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_fenced_worker_has_its_own_exit_code() -> None:
    assert exit_code_of(FencedMemberError("another member has joined")) == 4
