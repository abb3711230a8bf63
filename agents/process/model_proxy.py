"""A model in a process of its own: one that hangs or dies is replaced, and the worker goes on.

`ProcessModel` looks like any model. Its calls go to a child process, a batch at a time; a child
that does not answer in time is killed, one that dies is buried, and the call raises. What becomes
of the batch then is decided where every failing batch is (`predicting.py`): it is tried once more,
then halved until the culprit is alone.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from agents.process.model_wire import Raised, SharedBytes, unpack_answers
from schemas.errors import ModelDiedError, ModelTimeoutError

logger = logging.getLogger(__name__)

#: Between two starts of a child that did nothing useful in between.
_FIRST_BACK_OFF_SECONDS, _LAST_BACK_OFF_SECONDS = 0.1, 30.0
#: How long a child may take to free everything at the end.
_CLOSE_SECONDS = 5.0

#: What the child runs: the same interpreter with the same path, and no `-m`, which would put the
#: current folder in front of it.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from agents.process.model_child import main; main([int(a) for a in sys.argv[2:]])"
)

FRAME = struct.Struct("!cQ")
"""A letter, and the length of the message in shared memory."""
LOAD, PREDICT, CLOSE, DONE, FAILED = b"l", b"p", b"c", b"d", b"f"


class LoadFailedError(RuntimeError):
    """The model can't be loaded in its process; the message is the model's own."""


class ProcessModel:
    """A stateless model that lives in a child process; called from one thread, as any model."""

    runs_elsewhere = True
    """It holds none of the worker's own locks while it answers."""

    def __init__(
        self,
        name: str,
        config: bytes,
        timeout_seconds: float | None = None,
        on_lost: Callable[[str], None] = lambda reason: None,
        prepares: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start nothing yet.

        Args:
            name: of the model.
            config: what the child makes its model of; see `agents/process/model_child.py`.
            timeout_seconds: how long a call may take; None: any time.
            on_lost: called with a reason for each child that was lost in a call.
            prepares: whether it computes with a library's own threads, as prepared models do.
            sleep: waits out a back-off.
        """
        self.name = name
        self.version = ""
        self._config = config
        self._timeout = timeout_seconds
        self._on_lost = on_lost
        self.prepares = prepares
        self._sleep = sleep
        self._device = "cpu"
        self._child: _Child | None = None
        self._back_off = 0.0
        self._is_told = False
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    @property
    def is_warm(self) -> bool:
        """Whether the child is there and its model loaded."""
        return self._child is not None

    def load(self, device: str = "cpu") -> None:
        """Start the child and let it load and warm up its model.

        Raises:
            LoadFailedError: the model can't be loaded; or the child died of it.
        """
        self._device = device
        self._child = self._start()

    def warm_up(self) -> None:
        """Do nothing: loading in the child includes it."""

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Have the child answer B events.

        Raises:
            ModelTimeoutError: it did not in time, and was killed.
            ModelDiedError: it died.
            Exception: what the model raised, by another class of the same name.
        """
        child = self._child or self._start_again()
        self._buffer.clear()
        self._encoder.encode_into(batch, self._buffer)
        try:
            answers = child.call(PREDICT, self._buffer, self._timeout)
        except TimeoutError:
            self._lose(child, "timeout")
            raise ModelTimeoutError(
                f"the model had not answered after {self._timeout:g} s: its process was replaced"
            ) from None
        except _ChildDiedError as error:
            self._lose(child, "died")
            raise ModelDiedError(f"the model's process died: {error}") from None
        self._back_off = 0.0
        return unpack_answers(answers)

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _start(self) -> _Child:
        child = _Child()
        try:
            content = msgspec.msgpack.encode((self._device, msgspec.Raw(self._config)))
            version = child.call(LOAD, content, None)
        except _ChildDiedError as error:
            child.kill()
            raise LoadFailedError(f"its process died while it loaded: {error}") from None
        except BaseException:
            child.kill()
            raise
        self.version = bytes(version).decode()
        return child

    def _start_again(self) -> _Child:
        """Start a child in place of one that was lost; wait and retry if it can't be."""
        while True:
            if self._back_off:
                self._sleep(self._back_off)
            self._back_off = min(
                max(2 * self._back_off, _FIRST_BACK_OFF_SECONDS), _LAST_BACK_OFF_SECONDS
            )
            try:
                self._child = self._start()
            except Exception as error:
                if not self._is_told:
                    self._is_told = True
                    logger.error("model %s can't be loaded again: %s; retrying", self.name, error)
            else:
                self._is_told = False
                return self._child

    def _lose(self, child: _Child, reason: str) -> None:
        self._child = None
        child.kill()
        logger.warning(
            "model %s: its process %s (%s); another one takes its place",
            self.name, "was killed: it did not answer in time" if reason == "timeout" else "died",
            child.ending(),
        )  # fmt: skip
        self._on_lost(reason)


class _ChildDiedError(Exception):
    pass


class _Child:
    """One child process and the ways to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._request, self._answer = SharedBytes(), SharedBytes()
        fds = (theirs.fileno(), self._request.fd, self._answer.fd)
        arguments = [json.dumps(list(map(str, sys.path))), *map(str, fds), str(os.getpid())]
        try:
            # stdout may be data for somebody else: the child's goes where the log goes.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=_standard_error(),
                pass_fds=fds,
            )
        finally:
            theirs.close()

    def call(self, what: bytes, content: bytes | bytearray, timeout: float | None) -> memoryview:
        """Send a message and return its answer.

        Raises:
            TimeoutError: there was none in time.
            _ChildDiedError: the child is gone.
            Exception: what the model raised.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            size = self._request.write(content)
            self._socket.settimeout(timeout)
            self._socket.sendall(FRAME.pack(what, size))
            kind, size = FRAME.unpack(self._receive(deadline))
        except TimeoutError:
            raise
        except (OSError, EOFError):
            raise _ChildDiedError(self.ending()) from None
        answer = self._answer.read(size)
        if kind == FAILED:
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

    def ending(self) -> str:
        """Say how it ended, for people."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its end"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """End it at once and free what was shared with it."""
        self._process.kill()
        self._process.wait()
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
    except (AttributeError, OSError, ValueError):  # closed, or a test's own
        return subprocess.DEVNULL
