"""CPU time and memory of a contender, with its children; and how it is stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.processes import cpu_seconds_of, peak_rss_bytes, pids_of
from benchmarks.harness.running import Job, PreparedContender, running
from tests.waiting import wait_until


def test_a_child_s_peak_memory_does_not_include_its_parent_s() -> None:
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])  # so that the pages are really there
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.stdin is not None
        child_peak, own_peak = peak_rss_bytes(child.pid), peak_rss_bytes(os.getpid())
    finally:
        child.kill()
        child.communicate()
    assert own_peak > 200_000_000
    assert 0 < child_peak < 100_000_000


def test_a_process_that_has_ended_has_no_peak() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert peak_rss_bytes(child.pid) == 0


_BURN = "import time\nwhile time.process_time() < 0.5: pass\n"

_FAMILY = """
import subprocess, sys, time
def child(code): return subprocess.Popen([sys.executable, "-c", code], process_group=0)
held = "x = bytearray(50_000_000); x[::4096] = b'x' * len(x[::4096]); "
first, second = child(held + "import time; time.sleep(60)"), child(sys.argv[1])
assert second.wait() == 0
print("ready", flush=True)
import signal
signal.sigwait({signal.SIGTERM})
first.kill()
first.wait()
"""


def test_children_in_other_process_groups_count_and_are_killed(tmp_path: Path) -> None:
    """As those of `penstock worker --processes 2` are."""
    command = [sys.executable, "-c", f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, "
               f"[signal.SIGTERM])\n{_FAMILY}", _BURN]  # fmt: skip
    contender = PreparedContender("1", lambda job: command, lambda job: {})
    job = Job("", "", "", "", "a", 1, str(tmp_path))
    with running(contender, job) as run:
        wait_until("the output has `ready`", lambda: "ready" in run.output())
        pids = pids_of(run.pid)
        assert len(pids) == 2
        assert 0 < cpu_seconds_of(run.pid) < 0.5  # of the processes still running
    assert run.cpu_seconds > 0.5  # with that of the child that has ended
    assert run.peak_rss_bytes > 50_000_000 + 2 * 5_000_000
    assert pids_of(run.pid) == []


def test_a_contender_that_ignores_sigterm_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.harness.running._STOP_SECONDS", 0.2)
    # Its child has much memory, and takes a while to end when killed.
    child = "import time; held = bytearray(b'x') * 300_000_000; print('ready', flush=True)"
    child += "; time.sleep(60)"
    code = f"import subprocess, sys, time; c = [sys.executable, '-c', {child!r}]"
    code += "; subprocess.Popen(c, process_group=0); import signal; signal.signal(15, lambda *_: 0)"
    command = [sys.executable, "-c", code + "\nwhile 1: time.sleep(1)"]
    contender = PreparedContender("1", lambda job: command, lambda job: {})
    with running(contender, Job("", "", "", "", "a", 1, str(tmp_path))) as run:
        wait_until("the output has `ready`", lambda: "ready" in run.output())
        assert len(pids_of(run.pid)) == 2
    assert pids_of(run.pid) == []
