"""OAUTHBEARER tokens: from a token endpoint by the client credentials grant, or from a file.

Sources: RFC 6749, section 4.4; RFC 7628; the names are those of Kafka's clients and librdkafka.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import msgspec

from streams.kafka.errors import BrokerLoginError, BrokerTlsError, TokenUnavailableError
from streams.kafka.tokens import REFRESH_AT, Token

#: Of a token, and of an answer that holds one. Kafka's own limit is half a megabyte.
_MAX_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 10.0
#: Of a token that does not say when it expires.
_UNKNOWN_LIFE_SECONDS = 300.0
_MAX_REASON_CHARS = 200
#: What a bearer token may consist of (RFC 6750, section 2.1). Others could add to the SASL message.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
#: Answers after which another attempt may succeed; 5xx too.
_TEMPORARY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class ClientCredentials(NamedTuple):
    """A token endpoint, and who asks it."""

    url: str
    client_id: str
    secret: str
    scope: str = ""
    ca_file: str | None = None
    """PEM file of the authorities to trust; None: the system's."""

    def fetch(self) -> Token:
        """Ask for a token.

        Raises:
            TokenUnavailableError: the endpoint does not answer, or can't now.
            BrokerLoginError: it refuses, or answers something else than a token.
            BrokerTlsError: its certificate is not trusted.
        """
        status, content = self._ask()
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TEMPORARY:
            raise TokenUnavailableError(f"{self.url} answers HTTP status {status}")
        if status != HTTPStatus.OK:
            raise BrokerLoginError(
                f"{self.url} issues no token: {self._reason(status, content)}: check "
                "sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret and "
                "sasl.oauthbearer.token.endpoint.url"
            )
        text = content.get("access_token")
        if not isinstance(text, str) or not _TOKEN.fullmatch(text):
            raise BrokerLoginError(
                f"{self.url} answers without an access_token: check "
                "sasl.oauthbearer.token.endpoint.url"
            )
        return _token(text, content.get("expires_in"), self.client_id)

    def _ask(self) -> tuple[int, dict[str, Any]]:
        # Imported here: httpx takes a tenth of a second, and most logins have a password.
        import httpx

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request at INFO
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        try:
            # No redirects and no proxy: the secret is for this address alone.
            with (
                httpx.Client(verify=_trusted(self.ca_file), trust_env=False) as client,
                client.stream(
                    "POST", self.url, data=form, auth=self._login(), timeout=_TIMEOUT_SECONDS
                ) as answer,
            ):
                return answer.status_code, _content(answer.iter_bytes())
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            if "CERTIFICATE_VERIFY_FAILED" in reason:
                raise BrokerTlsError(
                    f"no TLS with {self.url}: {reason}: check https.ca.location"
                ) from None
            raise TokenUnavailableError(
                f"can't reach {self.url}: {reason}: is it up, and is "
                "sasl.oauthbearer.token.endpoint.url right?"
            ) from None

    def _login(self) -> tuple[str, str]:
        """Return both parts, each form-encoded (RFC 6749, section 2.3.1)."""
        return quote_plus(self.client_id), quote_plus(self.secret)

    def _reason(self, status: int, content: dict[str, Any]) -> str:
        """Return what the endpoint says, without the secret if it repeats it."""
        said = [content.get(name) for name in ("error", "error_description")]
        text = ": ".join(str(part) for part in said if part)
        # Some repeat what they were sent: the secret, or the header that it is in.
        header = base64.b64encode(":".join(self._login()).encode()).decode()
        hidden = text.replace(self.secret, "***").replace(header, "***")
        return f"HTTP status {status}{' ' + hidden[:_MAX_REASON_CHARS] if hidden else ''}"


class TokenFile(NamedTuple):
    """A file that another program keeps up to date. It is read for each login."""

    path: Path

    def fetch(self) -> Token:
        """Read the token.

        Raises:
            BrokerLoginError: the file can't be read, or has no valid token in it.
        """
        try:
            with self.path.open("rb") as file:
                text = file.read(_MAX_BYTES).decode("ascii").strip()
        except OSError as error:
            raise BrokerLoginError(f"no token in {self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            text = ""
        if not _TOKEN.fullmatch(text):
            raise BrokerLoginError(f"no token in {self.path}: expected one, and nothing else")
        token = _token(text, None, "penstock")
        if token.expires_at <= time.time():
            raise BrokerLoginError(f"the token in {self.path} has expired: renew it")
        return msgspec.structs.replace(token, refresh_at=0.0)


def _trusted(ca_file: str | None) -> Any:
    """Return what `httpx` verifies a certificate with."""
    import ssl

    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise BrokerTlsError(
            f"kafka: https.ca.location is not a file of PEM certificates: {ca_file}"
        ) from None


def _content(parts: Any) -> dict[str, Any]:
    """Return the JSON object of an answer; {}: it is none, or too large."""
    content = b""
    for part in parts:
        content += part
        if len(content) > _MAX_BYTES:
            return {}
    try:
        decoded = json.loads(content)
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _token(text: str, expires_in: object, principal: str) -> Token:
    """Return a token that expires when it or its issuer says, whichever is earlier."""
    now = time.time()
    claims = claims_of(text)
    ends = [_number(claims.get("exp")), now + (_number(expires_in) or 0.0)]
    known = [end for end in ends if end and end != now]
    expires_at = min(known, default=now + _UNKNOWN_LIFE_SECONDS)
    refresh_at = now + REFRESH_AT * (expires_at - now)
    return Token(text, expires_at, refresh_at, str(claims.get("sub") or principal))


def _number(value: object) -> float | None:
    """Return a number that is one; some issuers write it as text."""
    try:
        return float(str(value))
    except ValueError:
        return None


def claims_of(text: str) -> dict[str, Any]:
    """Return the claims of a JSON Web Token, unverified; {} for any other token."""
    parts = text.split(".")
    if len(parts) != 3:
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
