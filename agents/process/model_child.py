"""The child process of a model with `isolation: process`: `python -m agents.process.model_child`.

`agents/process/model_proxy.py` is the worker's side. The child makes its model from the same
settings as a worker would, and answers batches one by one until its parent closes the socket or is
gone.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from agents.process.exit_with_parent import watch_parent
from agents.process.model_wire import (
    CLOSE,
    DONE,
    FAILED,
    FRAME,
    LOAD,
    ModelConfig,
    Raised,
    SharedBytes,
    pack_answers,
)
from streams.model_protocols import MemoryFreeingModel
from streams.out_of_memory import drop_frames, is_out_of_memory

logger = logging.getLogger("agents.process.model_child")


def main() -> None:
    """Serve one model; the arguments are the descriptors of the socket and of both memories."""
    socket_fd, request_fd, answer_fd = map(int, sys.argv[1:])
    watch_parent()
    # A service manager's SIGTERM reaches every process: the worker finishes what is under way and
    # then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _Server(socket.socket(fileno=socket_fd), SharedBytes(request_fd), SharedBytes(answer_fd)).run()


class _Server:
    def __init__(self, link: socket.socket, request: SharedBytes, answer: SharedBytes) -> None:
        self._link, self._request, self._answer = link, request, answer
        self._model: Any = None
        self._decoder: Any = None

    def run(self) -> None:
        """Answer requests until the parent closes the socket."""
        while True:
            frame = self._link.recv(FRAME.size, socket.MSG_WAITALL)
            if len(frame) < FRAME.size:
                return
            kind, size = FRAME.unpack(frame)
            try:
                outcome, answer = DONE, self._call_model(kind, self._request.read(size))
            except Exception as error:
                logger.debug("the model raised", exc_info=True)
                self._free_memory_after(error)
                outcome, answer = FAILED, msgspec.msgpack.encode(Raised.of(error))
            self._link.sendall(FRAME.pack(outcome, self._answer.write(answer)))
            if kind == CLOSE:
                return

    def _free_memory_after(self, error: Exception) -> None:
        """Free what a call that ran out of memory holds; the batch comes again, halved."""
        if is_out_of_memory(error):
            drop_frames(error)
            if isinstance(self._model, MemoryFreeingModel):
                self._model.free_memory()

    def _call_model(self, kind: bytes, content: memoryview) -> bytes:
        if kind == LOAD:
            return self._load(content)
        if kind == CLOSE:
            self._model.close()
            return b""
        events = self._decoder.decode(content)
        answers = self._model.predict_batch(events)
        if len(answers) != len(events):
            raise ValueError(
                f"{len(events)} events in, {len(answers)} answers out: predict_batch must return "
                "one answer for each event, in order (None for no result)"
            )
        return pack_answers(answers)

    def _load(self, content: memoryview) -> bytes:
        from agents.pipeline.parts import load_agent

        device, config = msgspec.msgpack.decode(content, type=tuple[str, ModelConfig])
        logging.basicConfig(level=config.log_level, format=config.log_format)
        parts = load_agent(config.settings, Path(config.base_dir))
        self._decoder = msgspec.msgpack.Decoder(list[parts.event_type])  # type: ignore[name-defined]
        self._model = parts.make_model()
        self._model.load(device)
        self._model.warm_up()
        return str(self._model.version).encode()


if __name__ == "__main__":
    main()
