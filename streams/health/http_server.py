"""Serve `/metrics`, `/live` and `/ready` on one port, from threads of their own.

prometheus_client makes the metrics, the standard library's WSGI server serves them. Clients may be
slow, broken or hostile: there are at most `MAX_CONNECTIONS` connections, none lasts longer than
`CONNECTION_SECONDS`, and a new connection replaces the oldest when there is no room. So idle
connections never block an orchestrator's probe.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import msgspec
from prometheus_client import CollectorRegistry, make_wsgi_app

from streams.health.health import ProbeResult

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 16
CONNECTION_SECONDS = 10.0
#: How long a new connection waits until the closed one has ended.
_EVICTION_SECONDS = 1.0

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Probes = Mapping[str, Callable[[], ProbeResult]]


def serve(host: str, port: int, registry: CollectorRegistry, probes: Probes) -> int:
    """Serve from a daemon thread until the process ends; return the port.

    Args:
        host: a name or an address, IPv4 or IPv6.
        port: 0 for any free port.
        registry: the metrics of `/metrics`.
        probes: by path; the answer is 200 if ok, else 503, with the result as JSON.

    Raises:
        OSError: the address is in use, or not one of this machine.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    server = _start(_Server(family, address[:2]), registry, probes)
    return int(server.server_address[1])


def serve_locally(path: Path, registry: CollectorRegistry, probes: Probes) -> None:
    """Serve at a Unix socket, which only this machine's users with access to its folder reach.

    Args:
        path: the socket's; must not exist.
        registry: the metrics of `/metrics`.
        probes: by path.

    Raises:
        OSError: the socket can't be made there.
    """
    _start(_Server(socket.AF_UNIX, str(path)), registry, probes)


def _start(server: _Server, registry: CollectorRegistry, probes: Probes) -> _Server:
    server.set_app(make_app(registry, probes))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def make_app(registry: CollectorRegistry, probes: Probes) -> App:
    """Return the WSGI application: metrics and probes by path."""
    metrics: App = make_wsgi_app(registry)
    paths = ", ".join(["/metrics", *probes])

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            body = {"error": "only GET and HEAD"}
            return _answer(start_response, "405 Method Not Allowed", body, allow="GET, HEAD")
        if path == "/metrics":
            # prometheus_client has no HEAD; wsgiref would send the body of a GET.
            content = metrics({**environ, "REQUEST_METHOD": "GET"}, start_response)
            return content if method == "GET" else []
        if path not in probes:
            return _answer(start_response, "404 Not Found", {"error": f"the paths are {paths}"})
        result = probes[path]()
        status = "200 OK" if result.ok else "503 Service Unavailable"
        body_bytes = _answer(start_response, status, result)
        return body_bytes if method == "GET" else []

    return app


def _answer(
    start_response: StartResponse, status: str, body: object, allow: str = ""
) -> list[bytes]:
    content = msgspec.json.encode(body) + b"\n"
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
        ("Cache-Control", "no-store"),
        *([("Allow", allow)] if allow else []),
    ]
    start_response(status, headers)
    return [content]


class _RequestHandler(WSGIRequestHandler):
    """Logs nothing, and waits for no client longer than a connection may last."""

    timeout = CONNECTION_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""


class _Server(WSGIServer):
    """A thread a connection, a bounded number of connections, each for a bounded time."""

    allow_reuse_address = True
    request_queue_size: ClassVar[int] = 64  # type: ignore[misc]

    def __init__(self, family: socket.AddressFamily, address: Any) -> None:
        self.address_family = family
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        super().__init__(address, _RequestHandler)

    def server_bind(self) -> None:
        """Bind without asking DNS for this machine's name, as the base class would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        is_local = isinstance(self.server_address, str)  # the path of a Unix socket
        name = ("localhost", 0) if is_local else self.server_address[:2]
        self.server_name, self.server_port = name  # type: ignore[assignment]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection on its own thread, if there is room."""
        if not self._room.acquire(blocking=False):
            self._close_older_than(0.0, limit=1)
            if not self._room.acquire(timeout=_EVICTION_SECONDS):
                self.shutdown_request(request)
                return
        with self._lock:
            self._open[request] = time.monotonic()
        worker = threading.Thread(
            target=self._serve,
            args=(request, client_address or ("localhost", 0)),
            name="metrics-client",
            daemon=True,
        )
        try:
            worker.start()
        except RuntimeError:  # no more threads on this machine
            self._closed(request)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception as error:
            self.handle_error(request, client_address, error)
        finally:
            self._closed(request)

    def _closed(self, request: socket.socket) -> None:
        with self._lock:
            self._open.pop(request, None)
        self.shutdown_request(request)
        self._room.release()

    def service_actions(self) -> None:
        """Close connections over the time limit; called twice a second."""
        self._close_older_than(CONNECTION_SECONDS, limit=MAX_CONNECTIONS)

    def _close_older_than(self, seconds: float, limit: int) -> None:
        latest = time.monotonic() - seconds
        with self._lock:
            old = [request for request, opened in self._open.items() if opened <= latest]
        for request in old[:limit]:
            with suppress(OSError):  # the connection's thread then ends
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(
        self, request: Any, client_address: Any, error: Exception | None = None
    ) -> None:
        """Log errors of a connection, such as a client that left, at DEBUG only."""
        logger.debug("a request from %s failed: %r", client_address, error)
