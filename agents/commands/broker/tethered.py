"""Run a command that the kernel kills when its parent dies: `tethered.py PARENT_PID COMMAND...`.

A parent killed by SIGKILL can clean nothing up, and a forgotten JVM holds a port and half a GB.
Outside Linux there is no such tether; the command then outlives a parent that is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Tie this process to its parent, then become the command: the tie outlives exec."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the tie was made
        sys.exit(1)
    # A mask survives exec too; one inherited from a parent that waits for signals would make the
    # command deaf to SIGTERM.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
