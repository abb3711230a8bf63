from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from schemas.registry.registered import RegisteredSchema, UnusableSchemaError
from streams.registry.client import RegistryClient
from streams.registry.errors import (
    RegistryLoginError,
    RegistrySettingsError,
    RegistryUnreachableError,
)
from streams.settings import RegistrySettings

Answers = dict[str, tuple[int, Any]]
ABSENT = (404, {"error_code": 40403, "message": "Schema not found"})


class Server:
    """A registry with the answers of a test: path -> status and JSON, or bytes as they are."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.requests: list[tuple[str, str]] = []
        """Path and authorization of each request."""
        self.url = ""
        self.redirect = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers.get("Authorization", "")))
            status, answer = state.answers.get(self.path, (404, b"<html>no such page</html>"))
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            if state.redirect:
                self.send_header("Location", state.redirect)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., RegistryClient]]:
    made = []

    def make(**settings: Any) -> RegistryClient:
        made.append(RegistryClient(RegistrySettings(url=server.url, **settings)))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_a_schema_and_what_it_refers_to(
    server: Server, connect: Callable[..., RegistryClient]
) -> None:
    refer = {"name": "b.proto", "subject": "of/b", "version": 2}
    server.answers = {
        "/schemas/ids/1": (200, {"schema": "A", "schemaType": "PROTOBUF", "references": [refer]}),
        "/subjects/of%2Fb/versions/2": (
            200,
            {"schema": "B", "references": [{"name": "c.proto", "subject": "c", "version": 1}]},
        ),
        "/subjects/c/versions/1": (200, {"schema": "C", "references": [refer]}),
        "/schemas/ids/2": (200, {"schema": '"int"'}),
        "/schemas/ids/3": ABSENT,
        "/schemas/guids/89791762-2336-4186-9674-299b90a802e2": (200, {"schema": '"long"'}),
    }
    client = connect()
    # What others need comes first; a reference back is not followed for ever.
    assert client.schema(1) == RegisteredSchema(
        "PROTOBUF", "A", (("c.proto", "C"), ("b.proto", "B"))
    )
    assert client.schema(2) == RegisteredSchema("AVRO", '"int"')
    assert client.schema(3) is None
    guid = UUID("89791762-2336-4186-9674-299b90a802e2")
    assert client.schema(guid) == RegisteredSchema("AVRO", '"long"')


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, b"<html>"), "HTTP status 404: is registry.url right?"),
        ((500, {"message": "the store is down"}), "the store is down"),
        ((200, b"not json"), "does not answer as one"),
        ((200, []), "does not answer as one"),
        ((429, b""), "HTTP status 429"),
    ],
)
def test_other_answers_are_waited_for(
    server: Server, connect: Callable[..., RegistryClient], answer: Any, words: str
) -> None:
    server.answers = {"/schemas/ids/1": answer}
    with pytest.raises(RegistryUnreachableError, match=words.replace("?", r"\?")):
        connect().schema(1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_does_not_show_the_login(
    server: Server, connect: Callable[..., RegistryClient], status: int
) -> None:
    server.answers = {"/schemas/types": (status, {})}
    with pytest.raises(RegistryLoginError) as caught:
        connect(username="me", password="my-secret").probe()
    assert f"HTTP status {status}" in str(caught.value)
    assert "my-secret" not in str(caught.value)
    assert server.requests[0][1].startswith("Basic ")


def test_a_token(server: Server, connect: Callable[..., RegistryClient]) -> None:
    server.answers = {"/schemas/types": (200, [])}
    connect(token="my-token").probe()
    assert server.requests == [("/schemas/types", "Bearer my-token")]


def test_a_redirect_is_not_followed(server: Server, connect: Callable[..., RegistryClient]) -> None:
    server.redirect = f"{server.url}/elsewhere"
    server.answers = {"/schemas/ids/1": (302, {})}
    with pytest.raises(RegistryUnreachableError, match="HTTP status 302"):
        connect(token="my-token").schema(1)
    assert [path for path, _ in server.requests] == ["/schemas/ids/1"]


def test_sizes_are_limited(server: Server, connect: Callable[..., RegistryClient]) -> None:
    server.answers = {
        "/schemas/ids/1": (200, {"schema": "x" * 1_000_001}),
        "/schemas/ids/2": (200, b" " * 4_000_001),
    }
    client = connect()
    for key in (1, 2):
        with pytest.raises(UnusableSchemaError, match="it has more than"):
            client.schema(key)


def test_references_are_limited(server: Server, connect: Callable[..., RegistryClient]) -> None:
    def refer(i: int) -> dict[str, Any]:
        return {"schema": "x", "references": [{"name": f"{i}", "subject": f"{i}", "version": 1}]}

    server.answers = {f"/subjects/{i}/versions/1": (200, refer(i + 1)) for i in range(200)}
    server.answers["/schemas/ids/1"] = (200, refer(0))
    with pytest.raises(UnusableSchemaError, match="refers to more than 100 schemas"):
        connect().schema(1)


def test_a_reference_that_is_absent(server: Server, connect: Callable[..., RegistryClient]) -> None:
    reference = {"name": "b", "subject": "b", "version": 1}
    server.answers = {
        "/schemas/ids/1": (200, {"schema": "x", "references": [reference]}),
        "/subjects/b/versions/1": (404, {"error_code": 40401}),
    }
    with pytest.raises(UnusableSchemaError, match="refers to b, which the registry lacks"):
        connect().schema(1)


def test_nobody_answers() -> None:
    with (
        RegistryClient(RegistrySettings(url="http://127.0.0.1:9")) as client,
        pytest.raises(RegistryUnreachableError, match=r"127\.0\.0\.1:9 does not answer"),
    ):
        client.schema(1)


def test_a_file_of_authorities_that_is_not_there() -> None:
    with pytest.raises(RegistrySettingsError, match="ca_file"):
        RegistryClient(RegistrySettings(url="https://registry", ca_file="/nowhere.pem"))


def test_settings_do_not_show_secrets() -> None:
    settings = RegistrySettings(url="http://r", password="a-secret", token="b-secret",
                                key_password="c-secret")  # fmt: skip
    assert "secret" not in repr(settings)
