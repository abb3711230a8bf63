"""End a process when its parent ends, however the parent ends.

`ChildProcess` starts every child through this file:

    python -I -S exit_with_parent.py PARENT_PID SIGNAL COMMAND...

On Linux it asks the kernel to send the signal when the parent is gone, then becomes the command:
the request survives `exec`. Elsewhere there is no such request. There only children in Python end
with their parent, because they call `watch_parent`.

A parent killed by SIGKILL can clean nothing up, and a forgotten JVM holds a port and half a GB.
Only the standard library is imported: this file runs before every child.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

_PARENT_PID = "PENSTOCK_PARENT_PID"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_SECONDS = 0.5


def watch_parent(stop_seconds: float = 0.0) -> None:
    """Start a thread that ends this process once its parent is gone.

    Args:
        stop_seconds: how long the process may take to end after SIGTERM before it is ended by
            force; 0: by force at once.
    """
    parent = int(os.environ.pop(_PARENT_PID, os.getppid()))
    arguments = (parent, stop_seconds)
    threading.Thread(target=_watch, args=arguments, name="parent", daemon=True).start()


def _watch(parent: int, stop_seconds: float) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    if stop_seconds:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(stop_seconds)
    os._exit(1)


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, number, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended before the request was made
        sys.exit(1)
    os.environ[_PARENT_PID] = str(parent)
    # The signal mask survives exec too. A parent that waits for signals has blocked them, and the
    # command would never get SIGTERM.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"can't start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
