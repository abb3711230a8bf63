"""Child processes are started, watched and stopped in one way, and none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents.process.child import ChildProcess
from tests.waiting import wait_until

_PARENT = """
import signal, sys, time
from pathlib import Path
from agents.process.child import ChildProcess
child = ChildProcess(sys.argv[2:], Path(sys.argv[1]), parent_signal=signal.Signals.{signal})
print(child.pid, flush=True)
time.sleep(60)
"""

#: Finishes its work when it is asked to end.
_ORDERLY = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: (print("finished", flush=True), exit(0)))
print("ready", flush=True)
time.sleep(60)
"""
_HANGING = "import time; print('ready', flush=True); time.sleep(60)"
#: As `penstock worker --processes` and model processes do.
_WATCHING = """
import signal, time
from agents.process.exit_with_parent import watch_parent
signal.signal(signal.SIGTERM, signal.SIG_IGN)
watch_parent(stop_seconds={seconds})
print("ready", flush=True)
time.sleep(60)
"""


def python(code: str, log: Path) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", code], log)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill_parent_of(code: str, log: Path, with_signal: str = "SIGKILL") -> int:
    """Start a child from a parent, kill the parent once the child is ready; return the child."""
    command = [sys.executable, "-c", _PARENT.format(signal=with_signal), str(log)]
    command += [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until("the log has `ready`", lambda: "ready" in log.read_text())
        parent.kill()
    return pid


def test_output_since_the_start_is_read_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier start\n")
    with python("print('one'); print('two')", log) as child:
        assert child.wait(20) == 0
        assert child.output() == "one\ntwo\n"
        assert child.last_lines() == "one | two"
    assert log.read_text().startswith("of an earlier start\n")


def test_a_child_that_prints_nothing_is_described(tmp_path: Path) -> None:
    with python("raise SystemExit(3)", tmp_path / "log") as child:
        assert child.wait(20) == 3
        assert (child.last_lines(), child.describe_end()) == ("it printed nothing", "exit code 3")


def test_a_command_that_does_not_exist_ends_with_a_line(tmp_path: Path) -> None:
    with ChildProcess(["no-such-program"], tmp_path / "log") as child:
        assert child.wait(20) == 1
        assert child.last_lines() == "can't start no-such-program: No such file or directory"


def test_waiting_ends_with_what_was_found(tmp_path: Path) -> None:
    with python(_HANGING, tmp_path / "log") as child:
        assert child.wait_for(lambda: child.output() or None, 20) == "ready\n"
        assert child.is_alive


def test_waiting_sees_the_last_output_of_a_child_that_has_ended(tmp_path: Path) -> None:
    with python("print('done')", tmp_path / "log") as child:
        assert child.wait(20) == 0
        assert child.wait_for(lambda: child.output() or None, 20) == "done\n"


def test_waiting_ends_when_the_child_ends(tmp_path: Path) -> None:
    with python("pass", tmp_path / "log") as child:
        assert child.wait_for(lambda: None, 60) is None
        assert not child.is_alive


def test_waiting_ends_when_the_time_is_up(tmp_path: Path) -> None:
    with python(_HANGING, tmp_path / "log") as child:
        assert child.wait_for(lambda: None, 0.1) is None
        assert child.is_alive


def test_a_child_is_stopped_in_order(tmp_path: Path) -> None:
    with python(_ORDERLY, tmp_path / "log") as child:
        child.wait_for(lambda: child.output() or None, 20)
        assert child.stop() == 0
        assert child.output() == "ready\nfinished\n"


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_HANGING}"
    with python(code, tmp_path / "log") as child:
        child.wait_for(lambda: child.output() or None, 20)
        assert child.stop(0.2) == -signal.SIGKILL
        assert child.describe_end() == "signal 9"


def test_the_end_of_the_block_kills_the_child(tmp_path: Path) -> None:
    with python(_HANGING, tmp_path / "log") as child:
        pass
    assert child.exit_code == -signal.SIGKILL


def test_a_blocked_sigterm_of_the_parent_reaches_the_child(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with python(_HANGING, tmp_path / "log") as child:
            child.wait_for(lambda: child.output() or None, 20)
            assert child.stop() == -signal.SIGTERM
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_ctrl_c_in_the_terminal_reaches_the_parent_alone(tmp_path: Path) -> None:
    with python(_HANGING, tmp_path / "log") as child:
        assert os.getpgid(child.pid) == child.pid
        assert os.getsid(child.pid) == os.getsid(0)


linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")


@linux
def test_a_child_ends_with_a_killed_parent(tmp_path: Path) -> None:
    pid = kill_parent_of(_HANGING, tmp_path / "log")
    wait_until(f"process {pid} has ended", lambda: not is_alive(pid))


@linux
def test_a_child_can_finish_its_work_after_a_killed_parent(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid = kill_parent_of(_ORDERLY, log, "SIGTERM")
    wait_until(f"process {pid} has ended", lambda: not is_alive(pid))
    assert log.read_text() == "ready\nfinished\n"


@linux
@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_child_that_watches_its_parent_ends_by_force(tmp_path: Path, seconds: float) -> None:
    """It ignores the kernel's SIGTERM, as one with a blocked event loop does."""
    pid = kill_parent_of(_WATCHING.format(seconds=seconds), tmp_path / "log", "SIGTERM")
    wait_until(f"process {pid} has ended", lambda: not is_alive(pid))


@linux
def test_a_child_does_not_start_without_its_parent(tmp_path: Path) -> None:
    from agents.process import exit_with_parent

    mark = tmp_path / "mark"
    another = "1" if os.getpid() != 1 else "2"
    command = [sys.executable, "-I", "-S", exit_with_parent.__file__, another, "9"]
    done = subprocess.run([*command, "touch", str(mark)], check=False)
    time.sleep(0.05)
    assert (done.returncode, mark.exists()) == (1, False)
