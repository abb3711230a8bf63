"""Tokens of a token endpoint and of a file, against a real HTTP server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka.errors import (
    BrokerError,
    BrokerLoginError,
    BrokerTlsError,
    TokenUnavailableError,
)
from streams.kafka.oauth import ClientCredentials, TokenFile, claims_of
from tests.token_server import CLIENT, SECRET, Signer, TokenServer


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def server(signer: Signer) -> Iterator[TokenServer]:
    with TokenServer(signer).running() as running:
        yield running


def at(server: TokenServer, secret: str = SECRET, scope: str = "") -> ClientCredentials:
    return ClientCredentials(server.url, CLIENT, secret, scope)


def test_a_token_is_issued_for_the_login_and_the_scope(server: TokenServer) -> None:
    token = at(server, scope="kafka.read kafka.write").fetch()
    assert claims_of(token.text)["sub"] == token.principal == CLIENT
    assert server.asked[0]["scope"] == ["kafka.read kafka.write"]
    assert token.expires_at == pytest.approx(time.time() + 3600, abs=60)
    assert token.refresh_at == pytest.approx(time.time() + 0.8 * 3600, abs=60)


def test_a_wrong_secret_is_refused_and_not_repeated(server: TokenServer) -> None:
    server.status = 401
    server.body = json.dumps(
        {"error": "invalid_client", "error_description": "no client has hunter2"}
    ).encode()
    with pytest.raises(BrokerLoginError) as caught:
        at(server, secret="hunter2").fetch()
    said = str(caught.value)
    assert "issues no token: HTTP status 401 invalid_client: no client has ***: check sasl." in said
    assert "hunter2" not in said


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_an_endpoint_that_is_down_may_come_back(server: TokenServer, status: int) -> None:
    server.status = status
    with pytest.raises(TokenUnavailableError, match=f"answers HTTP status {status}"):
        at(server).fetch()


def test_nobody_listening_may_come_back(server: TokenServer) -> None:
    login = ClientCredentials("http://127.0.0.1:1/token", CLIENT, SECRET)
    with pytest.raises(TokenUnavailableError, match=r"can't reach http://127\.0\.0\.1:1/token"):
        login.fetch()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, b"no such page", "HTTP status 404"),
        (302, b"", "HTTP status 302"),
        (200, b"<html>", "without an access_token"),
        (200, b'["a"]', "without an access_token"),
        (200, b'{"access_token": 5}', "without an access_token"),
        (200, b'{"access_token": "a\\u0001auth=b"}', "without an access_token"),
        (200, b'{"access_token": "' + b"a" * 300_000 + b'"}', "without an access_token"),
    ],
    ids=["absent", "redirect", "page", "list", "number", "two", "endless"],
)  # fmt: skip
def test_an_answer_that_is_no_token_is_an_error(
    server: TokenServer, status: int, body: bytes, message: str
) -> None:
    server.status, server.body = status, body
    with pytest.raises(BrokerLoginError, match=message):
        at(server).fetch()


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        ({"access_token": "opaque", "expires_in": 60}, 60),
        ({"access_token": "opaque", "expires_in": "60"}, 60),
        ({"access_token": "opaque"}, 300),
        ({"access_token": "opaque", "expires_in": None}, 300),
        ({"access_token": "a.b.c", "expires_in": 90}, 90),
    ],
)
def test_when_a_token_expires_is_known(
    server: TokenServer, content: dict[str, object], seconds: float
) -> None:
    server.body = json.dumps(content).encode()
    token = at(server).fetch()
    assert token.expires_at == pytest.approx(time.time() + seconds, abs=30)


def test_the_earlier_of_two_ends_counts(server: TokenServer, signer: Signer) -> None:
    server.body = json.dumps({"access_token": signer.token(60), "expires_in": 6000}).encode()
    assert at(server).fetch().expires_at < time.time() + 100


def test_a_file_is_read_for_each_login(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "token"
    for subject in ("one", "two"):
        path.write_text(signer.token(subject=subject) + "\n")
        token = TokenFile(path).fetch()
        assert token.principal == subject
        assert token.refresh_at < time.time() < token.expires_at


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), ("", "expected one, and nothing else"), ("a b", "expected one"),
     ("\u00e4", "expected one"), ("expired", "has expired")],
)  # fmt: skip
def test_a_file_without_a_valid_token_is_an_error(
    tmp_path: Path, signer: Signer, content: str | None, message: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(signer.token(-60) if content == "expired" else content, "utf-8")
    with pytest.raises(BrokerLoginError, match=message):
        TokenFile(path).fetch()


def test_an_authority_file_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    login = ClientCredentials("https://127.0.0.1:1", CLIENT, SECRET, "", str(tmp_path / "ca.pem"))
    with pytest.raises(BrokerTlsError, match=r"https\.ca\.location is not a file of PEM"):
        login.fetch()
    assert issubclass(BrokerTlsError, BrokerError)
