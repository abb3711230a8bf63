"""How a worker ends although one of its threads hangs in a model call.

Python waits for such threads as it ends, and no thread can be ended from outside. So the process
ends without them, once it has left its group in order.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress

logger = logging.getLogger(__name__)

#: Of a worker that ended because a model call hung.
HANG_EXIT_CODE = 3


class ModelHangsError(RuntimeError):
    """A model call did not return in time; the message says whose it was."""


def end_process(code: int) -> None:
    """End the process at once, whatever its threads do; what was logged is written first."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or its disk is full
            stream.flush()
    os._exit(code)


def end_process_after(seconds: float, code: int) -> None:
    """End the process in some seconds, should it still be there."""

    def wait_and_end() -> None:
        time.sleep(seconds)
        logger.warning("not everything ended in time: the process ends without it")
        end_process(code)

    threading.Thread(target=wait_and_end, name="end", daemon=True).start()
