"""A TCP proxy in front of a server that can be made to hold back, to reset, or to answer 503."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

_503 = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 0\r\n"
    b'Content-Length: 20\r\nConnection: close\r\n\r\n{"error":"too busy"}'
)


class UnreliableProxy:
    """Passes bytes on in both directions, or does what `mode` says with new connections and bytes.

    Modes: `pass`; `hold` (what the client sends is kept until the mode changes); `reset`; `503`
    (for HTTP clients).
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._changed = Event()
        self._mode = "pass"
        self._open: list[socket.socket] = []
        self.num_reset = 0
        Thread(target=self._accept, daemon=True).start()

    @property
    def mode(self) -> str:
        """What the proxy does."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode = mode
        changed, self._changed = self._changed, Event()
        changed.set()
        if mode in ("reset", "503"):  # connections that are kept alive end too
            for connection in self._open:
                self._reset(connection)
            self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self._mode == "reset":
            self._reset(client)
            return
        if self._mode == "503":
            with suppress(OSError), client:
                client.recv(65_536)
                client.sendall(_503)
            return
        with suppress(OSError), client, socket.create_connection(self._target) as server:
            self._open += [client, server]
            back = Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65_536):
                while self._mode == "hold":
                    self._changed.wait(5)
                sink.sendall(content)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _reset(self, connection: socket.socket) -> None:
        self.num_reset += 1
        with suppress(OSError):
            # Closing with unsent data discarded sends RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def close(self) -> None:
        """End everything."""
        self.mode = "reset"
        self._listener.close()


@contextmanager
def unreliable_proxy(port: int) -> Iterator[UnreliableProxy]:
    """Run a proxy in front of a port of this machine."""
    proxy = UnreliableProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
