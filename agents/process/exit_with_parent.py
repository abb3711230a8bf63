"""A process that ends with the one which started it, however that one ends.

The starter holds the other end of a pipe that is this process's standard input and never writes to
it. The kernel closes it when the starter is gone, on every system, and also when it was gone
before anybody looked.
"""

from __future__ import annotations

import os
import signal
import threading
import time

_STANDARD_INPUT = 0


def end_with_parent(timeout_seconds: float) -> None:
    """Stop in order (SIGTERM) once standard input ends, by force when that takes too long.

    Args:
        timeout_seconds: until it ends by force, > 0.
    """
    thread = threading.Thread(target=_watch, args=(timeout_seconds,), name="tether", daemon=True)
    thread.start()


def _watch(timeout_seconds: float) -> None:
    # Not through sys.stdin, whose lock the interpreter would miss at its end.
    while os.read(_STANDARD_INPUT, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(timeout_seconds)
    os._exit(1)
