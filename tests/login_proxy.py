"""A proxy in front of a registry that asks for a login, as those of a company do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import httpx


@contextmanager
def login_proxy(url: str, user: str, password: str) -> Iterator[str]:
    """Pass requests with the right login on to the registry; yield the proxy's URL."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    parts = urlsplit(url)
    target = f"{parts.scheme}://{parts.netloc}"

    class Proxy(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != expected:
                self._answer(401, b'{"error_code": 401, "message": "Unauthorized"}')
                return
            answer = httpx.request(
                self.command,
                target + self.path,
                content=content,
                headers={"Content-Type": self.headers.get("Content-Type", "")},
                trust_env=False,
            )
            self._answer(answer.status_code, answer.content)

        do_GET = do_POST = do_PUT = _pass_on

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}{parts.path}"
        finally:
            server.shutdown()
            thread.join()
