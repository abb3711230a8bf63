"""The HTTP server of `/metrics`, `/live` and `/ready`, over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.health import http_server
from streams.health.health import ProbeResult
from streams.health.http_server import MAX_CONNECTIONS, serve
from streams.settings import MetricsSettings

GOOD = ProbeResult.of([], {"partitions": 4})
BAD = ProbeResult.of(["no partition is assigned to this worker"], {"partitions": 0})


def start(host: str = "127.0.0.1", live: Callable[[], ProbeResult] = lambda: GOOD) -> int:
    registry = CollectorRegistry()
    Counter("things", "Counted.", registry=registry).inc(3)
    return serve(host, 0, registry, {"/live": live, "/ready": lambda: BAD})


@pytest.fixture(scope="module")
def port() -> int:
    return start()


def ask(
    port: int, path: str, method: str = "GET", host: str = "127.0.0.1"
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_a_probe_that_is_ok_is_200_with_json(port: int) -> None:
    response, body = ask(port, "/live")
    assert response.status == 200
    assert response.getheader("Content-Type") == "application/json"
    assert json.loads(body) == {"ok": True, "reasons": [], "facts": {"partitions": 4}}


def test_a_probe_that_is_not_ok_is_503_with_reasons(port: int) -> None:
    response, body = ask(port, "/ready")
    assert response.status == 503
    assert json.loads(body)["reasons"] == ["no partition is assigned to this worker"]


@pytest.mark.parametrize(("path", "status"), [("/live", 200), ("/ready", 503), ("/metrics", 200)])
def test_head_is_the_same_without_a_body(port: int, path: str, status: int) -> None:
    response, body = ask(port, path, "HEAD")
    assert (response.status, body) == (status, b"")


def test_metrics_are_prometheus_text(port: int) -> None:
    response, body = ask(port, "/metrics?name[]=things_total")
    assert response.status == 200
    assert (response.getheader("Content-Type") or "").startswith("text/plain")
    assert b"things_total 3.0" in body


def test_an_unknown_path_is_404_and_lists_the_paths(port: int) -> None:
    response, body = ask(port, "/healthz")
    assert response.status == 404
    assert json.loads(body) == {"error": "the paths are /metrics, /live, /ready"}


def test_other_methods_are_rejected(port: int) -> None:
    response, _ = ask(port, "/live", "POST")
    assert response.status == 405
    assert response.getheader("Allow") == "GET, HEAD"


def test_ipv6() -> None:
    try:
        port = start("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    response, _ = ask(port, "/live", host="::1")
    assert response.status == 200


def test_a_taken_port_is_an_os_error(port: int) -> None:
    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", port, CollectorRegistry(), {})


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00",  # TLS
        b"GET\r\n\r\n",
        b"GET /live HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /live HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /live HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
        b"\x00" * 1000 + b"\r\n\r\n",
    ],
)
def test_malformed_requests_do_no_harm(
    port: int, rubbish: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        with suppress(OSError):  # the server may close before it has read all
            client.sendall(rubbish)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    response, _ = ask(port, "/live")
    assert response.status == 200
    assert capfd.readouterr().err == ""


def test_idle_connections_do_not_block_a_probe() -> None:
    port = start()
    before = threading.active_count()
    held = []
    for _ in range(3 * MAX_CONNECTIONS):
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        client.sendall(b"GET /live HTTP/1.1\r\nslow: ")
        held.append(client)
    response, _ = ask(port, "/live")
    assert response.status == 200
    assert threading.active_count() - before <= MAX_CONNECTIONS
    for client in held:
        client.close()


def test_connections_are_closed_after_their_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "CONNECTION_SECONDS", 0.5)
    port = start()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for _ in range(100):  # a byte now and then: no single wait is long
            try:
                client.sendall(b"G")
            except OSError:
                return
            time.sleep(0.1)
    pytest.fail("the connection is still open")


def test_a_probe_that_raises_fails_only_its_request() -> None:
    def fail() -> ProbeResult:
        raise RuntimeError("broken")

    port = start(live=fail)
    response, _ = ask(port, "/live")
    assert response.status == 500
    assert ask(port, "/ready")[0].status == 503


def test_metrics_are_served_on_loopback_only_by_default() -> None:
    host = MetricsSettings().host
    assert host == "127.0.0.1"
    port = serve(host, 0, CollectorRegistry(), {})
    socket.create_connection((host, port), timeout=2).close()
    # Every address of 127/8 is this machine's: one that listens to all would answer here too.
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=2)
