"""Which login the `kafka:` settings describe, and the token source of those that need one.

Every client of a process that has the same settings shares one source, whichever library it is of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from streams.kafka.errors import BrokerError, BrokerSettingsError
from streams.kafka.oauth import ClientCredentials, TokenFile
from streams.kafka.tokens import Token, TokenSource

if TYPE_CHECKING:
    from streams.kafka.settings import Kafka

OAUTHBEARER, AWS_MSK_IAM = "OAUTHBEARER", "AWS_MSK_IAM"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER, AWS_MSK_IAM)

_URL = "sasl.oauthbearer.token.endpoint.url"
_ID, _SECRET = "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret"
_SCOPE, _EXTENSIONS = "sasl.oauthbearer.scope", "sasl.oauthbearer.extensions"
_CA = "https.ca.location"
#: The settings of logins with tokens, by librdkafka's names.
LOGIN_SETTINGS = (_URL, _ID, _SECRET, _SCOPE, _EXTENSIONS, "sasl.oauthbearer.method", _CA)


def sasl_mechanism(value: object) -> str:
    """Return a mechanism that is supported, in upper case.

    Raises:
        ValueError: it is not.
    """
    name = str(value).upper()
    if name == "GSSAPI":
        raise ValueError(f"Kerberos (GSSAPI) is not supported, use one of {', '.join(MECHANISMS)}")
    if name not in MECHANISMS:
        raise ValueError(f"expected one of {', '.join(MECHANISMS)}")
    return name


def token_source(kafka: Kafka) -> TokenSource | None:
    """Return the source of tokens for a login; None: it needs no token.

    Raises:
        BrokerSettingsError: a setting is missing, has a wrong value, or a package is missing.
    """
    protocol = str(kafka.get("security.protocol", "PLAINTEXT")).upper()
    mechanism = str(kafka.get("sasl.mechanism", kafka.get("sasl.mechanisms", ""))).upper()
    if not protocol.startswith("SASL") or mechanism not in (OAUTHBEARER, AWS_MSK_IAM):
        return None
    servers = str(kafka.get("bootstrap.servers", "")) if mechanism == AWS_MSK_IAM else ""
    login = {name: str(kafka[name]) for name in LOGIN_SETTINGS if name in kafka}
    return _shared_source(mechanism, servers, tuple(sorted(login.items())))


def login_mistake(kafka: Kafka) -> str:
    """Return what a login by OAUTHBEARER lacks; "": nothing, or it is another login.

    A login at AWS is not checked: what it needs is on the machine, not in the settings.
    """
    if str(kafka.get("sasl.mechanism", "")).upper() != OAUTHBEARER:
        return ""
    try:
        token_source(kafka)
    except BrokerSettingsError as error:
        return str(error).removeprefix("kafka: ")
    return ""


@lru_cache(maxsize=16)
def _shared_source(mechanism: str, servers: str, login: tuple[tuple[str, str], ...]) -> TokenSource:
    if mechanism == AWS_MSK_IAM:
        # Imported here: few logins need it.
        from streams.kafka.msk_iam import MskIam

        return TokenSource(MskIam(servers).fetch)
    settings = dict(login)
    extensions = _extensions(settings.get(_EXTENSIONS, ""))
    return TokenSource(_fetcher(settings), extensions=extensions)


def _fetcher(login: Mapping[str, str]) -> Callable[[], Token]:
    method = login.get("sasl.oauthbearer.method", "oidc")
    if method.lower() != "oidc":
        raise BrokerSettingsError(f"kafka: sasl.oauthbearer.method is {method!r}: expected oidc")
    url = login.get(_URL, "")
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return TokenFile(Path(parts.path)).fetch
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise BrokerSettingsError(
            f"kafka: {_URL} is {'missing' if not url else 'not a URL of a token endpoint'}: "
            "OAUTHBEARER needs https://host/path, or file:///path of a file with a token"
        )
    for name in (_ID, _SECRET):
        if not login.get(name):
            raise BrokerSettingsError(f"kafka: {name} is missing: {_URL} needs it")
    ca_file = login.get(_CA)
    if ca_file is not None and not Path(ca_file).expanduser().is_file():
        raise BrokerSettingsError(f"kafka: {_CA} names no file: {ca_file}")
    trusted = str(Path(ca_file).expanduser()) if ca_file else None
    return ClientCredentials(url, login[_ID], login[_SECRET], login.get(_SCOPE, ""), trusted).fetch


def _extensions(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not name.strip().isalpha() or not value.strip().isprintable() or not value
           for name, _, value in pairs):  # fmt: skip
        raise BrokerSettingsError(f"kafka: {_EXTENSIONS}: expected name=value[,name=value...]")
    return {name.strip(): value.strip() for name, _, value in pairs}


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Gives aiokafka's connections the tokens of a source."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def token(self) -> str:
        """Return a valid token.

        Raises:
            KafkaConnectionError: there is none now; the client tries again.
        """
        try:
            return (await asyncio.to_thread(self._source.token)).text
        except BrokerError as error:
            raise KafkaConnectionError(f"no login token: {error}") from None

    def extensions(self) -> dict[str, str]:
        """Return the SASL extensions that are sent with each token."""
        return dict(self._source.extensions)


def oauth_callback(source: TokenSource) -> Callable[[Any], tuple[str, float, str, dict[str, str]]]:
    """Return what librdkafka calls, on a thread of its own, whenever it needs a token."""

    def callback(_: Any) -> tuple[str, float, str, dict[str, str]]:
        token = source.token()
        return token.text, token.expires_at, token.principal, dict(source.extensions)

    return callback
