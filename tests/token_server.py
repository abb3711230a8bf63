"""A server that issues signed tokens by the client credentials grant, and keys to check them."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

CLIENT, SECRET = "penstock", "of-the client/x9"
AUDIENCE, ISSUER = "kafka", "https://issuer.test"


def encoded(content: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Signer:
    """Signs tokens with an RSA key (RS256), by openssl."""

    def __init__(self, folder: Path, name: str = "issuer") -> None:
        self.key, self.jwks = folder / f"{name}.key", folder / f"{name}.jwks.json"
        self._name = name
        command = f"openssl genrsa -out {self.key} 2048"
        subprocess.run(command.split(), check=True, capture_output=True)
        command = f"openssl rsa -in {self.key} -noout -modulus"
        done = subprocess.run(command.split(), check=True, capture_output=True, text=True)
        modulus = encoded(bytes.fromhex(done.stdout.strip().partition("=")[2]))
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": modulus, "e": "AQAB"}
        self.jwks.write_text(json.dumps({"keys": [key]}))

    def token(self, seconds: float = 3600.0, subject: str = CLIENT, **claims: object) -> str:
        """Sign a token that expires in some seconds."""
        now = time.time()
        # Kafka reads whole seconds.
        body = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "iat": int(now) - 5,
                "exp": int(now + seconds), **claims}  # fmt: skip
        header = {"alg": "RS256", "typ": "JWT", "kid": self._name}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, body))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        done = subprocess.run(command, input=signed.encode(), check=True, capture_output=True)
        return f"{signed}.{encoded(done.stdout)}"


class TokenServer:
    """What the server does, to be changed while it runs; and what it was asked."""

    def __init__(self, signer: Signer, seconds: float = 3600.0) -> None:
        self.signer, self.seconds = signer, seconds
        self.status = 200
        """Answers with this status instead of a token, unless it is 200."""
        self.body: bytes | None = None
        """The answer instead of a token; None: a token."""
        self.asked: list[dict[str, list[str]]] = []
        """The form of each request."""
        self.port = 0

    @property
    def url(self) -> str:
        """The address of the token endpoint."""
        return f"http://127.0.0.1:{self.port}/token"

    @contextmanager
    def running(self) -> Iterator[TokenServer]:
        """Serve for the length of a `with` block, on the same port each time."""
        with _Server(("127.0.0.1", self.port), self._handler()) as server:
            self.port = server.server_address[1]
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def answer(self, authorization: str | None, form: dict[str, list[str]]) -> tuple[int, bytes]:
        """Return the status and the body for a request."""
        self.asked.append(form)
        if self.status != 200 or self.body is not None:
            return self.status, self.body or b"{}"
        # The parts of the login are form-encoded: RFC 6749, section 2.3.1.
        login = base64.b64encode(f"{CLIENT}:of-the+client%2Fx9".encode()).decode()
        if authorization != f"Basic {login}":
            said = {"error": "invalid_client", "error_description": f"not {authorization}"}
            return 401, json.dumps(said).encode()
        if form.get("grant_type") != ["client_credentials"]:
            return 400, b'{"error": "unsupported_grant_type"}'
        token = self.signer.token(self.seconds)
        said = {"access_token": token, "token_type": "Bearer", "expires_in": str(self.seconds)}
        return 200, json.dumps(said).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                form = parse_qs(self.rfile.read(length).decode())
                status, body = outer.answer(self.headers.get("Authorization"), form)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
