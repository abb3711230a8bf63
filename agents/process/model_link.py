"""The worker's side of one model process: the child, the socket to it and the shared memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress

import msgspec

from agents.process.child import ChildProcess
from agents.process.model_wire import CLOSE, FAILED, FRAME, Raised, SharedBytes

#: How long a child may take to free everything at the end.
_CLOSE_SECONDS = 5.0
#: How long a child that has closed its socket may take to end.
_END_SECONDS = 5.0

#: -P: the current folder must not be put in front of the path.
_COMMAND = (sys.executable, "-P", "-m", "agents.process.model_child")


class ChildDiedError(Exception):
    """The child is gone; the message says how it ended."""


class ModelLink:
    """A running child that serves one model; called from one thread."""

    def __init__(self) -> None:
        """Start the child; its model is not loaded."""
        self._socket, child_socket = socket.socketpair()
        self._request, self._answer = SharedBytes(), SharedBytes()
        fds = (child_socket.fileno(), self._request.fd, self._answer.fd)
        # The child imports from where this process does, the user's own folders included.
        path = os.pathsep.join(folder or os.getcwd() for folder in map(str, sys.path))
        with child_socket:
            self._process = ChildProcess(
                [*_COMMAND, *map(str, fds)],
                # Standard output may be data: what the child prints goes where the log goes.
                output=_standard_error(),
                environment={**os.environ, "PYTHONPATH": path},
                pass_fds=fds,
            )

    def call(self, kind: bytes, content: bytes | bytearray, timeout: float | None) -> memoryview:
        """Send a message and return its answer.

        Raises:
            TimeoutError: there was none in time.
            ChildDiedError: the child is gone.
            Exception: what the model raised.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            size = self._request.write(content)
            self._socket.settimeout(timeout)
            self._socket.sendall(FRAME.pack(kind, size))
            outcome, size = FRAME.unpack(self._receive(deadline))
        except TimeoutError:
            raise
        except (OSError, EOFError):
            raise ChildDiedError(self.describe_end()) from None
        answer = self._answer.read(size)
        if outcome == FAILED:
            raise msgspec.msgpack.decode(answer, type=Raised).error()
        return answer

    def _receive(self, deadline: float | None) -> bytes:
        frame = b""
        while len(frame) < FRAME.size:
            if deadline is not None:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            part = self._socket.recv(FRAME.size - len(frame))
            if not part:
                raise EOFError
            frame += part
        return frame

    def describe_end(self) -> str:
        """Return how it ended, for people."""
        if self._process.wait(_END_SECONDS) is None:
            return "it closed its end"
        return self._process.describe_end()

    def kill(self) -> None:
        """End it at once and free what was shared with it."""
        self._process.kill()
        self._socket.close()
        self._request.close()
        self._answer.close()

    def close(self) -> None:
        """Let it free everything, and end it."""
        with suppress(Exception):
            self.call(CLOSE, b"", _CLOSE_SECONDS)
            self._process.wait(_CLOSE_SECONDS)
        self.kill()


def _standard_error() -> int | None:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or replaced by a test
        return subprocess.DEVNULL
