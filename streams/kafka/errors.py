"""Errors that say in one line why a cluster can't be used.

BrokerError                    base class; the message is one line for users
├── BrokerSettingsError        the `kafka:` mapping is wrong; a ValueError too
├── BrokerUnreachableError     nothing answers: refused, unknown host, timeout
│   └── TokenUnavailableError  what issues the login's tokens does not answer: wait for it
├── BrokerLoginError           the cluster rejects the login, or no token is issued for it
└── BrokerTlsError             no TLS session: certificate, or one side uses plain text
"""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError


class BrokerError(RuntimeError):
    """A cluster can't be used. The message says what to do."""


class BrokerSettingsError(BrokerError, ValueError):
    """A client setting is missing, unknown or of a wrong value."""


class BrokerUnreachableError(BrokerError):
    """No broker answers."""


class TokenUnavailableError(BrokerUnreachableError):
    """What issues the tokens for the login does not answer now; another attempt may succeed."""


class BrokerLoginError(BrokerError):
    """The cluster rejects the credentials or the SASL mechanism, or no token is issued."""


class BrokerTlsError(BrokerError):
    """The TLS handshake failed."""


def or_hidden(kafka: Mapping[str, object]) -> str:
    """Return an addition to "no topic X": on a secured cluster, ACLs may hide the topic.

    Args:
        kafka: client settings by librdkafka's names.
    """
    protocol = str(kafka.get("security.protocol", "PLAINTEXT")).upper()
    return "" if protocol == "PLAINTEXT" else " that this user may see"


class ClientErrors:
    """Collects a client's errors: they explain a request that timed out."""

    def __init__(self) -> None:
        self._seen: list[KafkaError] = []
        self.add = self._seen.append

    def raise_conclusive(self, servers: str) -> None:
        """Raise errors that a retry can't fix: a rejected login or a failed TLS handshake."""
        for error in self._seen:
            reason = _reason(error)
            if error.code() == KafkaError._AUTHENTICATION:
                raise BrokerLoginError(
                    f"Kafka at {servers} rejects the login: {reason}: check {_to_check(reason)}"
                )
            if "SSL routines" in reason and " alert " in reason:
                # With TLS 1.3 the broker rejects the certificate after the client's handshake.
                raise BrokerTlsError(
                    f"no TLS with Kafka at {servers}: the broker rejects this client: {reason}: "
                    "check ssl.certificate.location and ssl.key.location, and whether the "
                    "certificate has expired"
                )
            if error.code() == KafkaError._SSL or "SSL handshake failed" in reason:
                raise BrokerTlsError(
                    f"no TLS with Kafka at {servers}: {reason}: check security.protocol and "
                    "ssl.ca.location"
                )

    def unreachable(self, servers: str) -> BrokerUnreachableError:
        """Return the error for a cluster that did not answer in time."""
        useful = [e for e in self._seen if e.code() != KafkaError._ALL_BROKERS_DOWN]
        if self._seen and not useful:
            # The only error that librdkafka reports for brokers that close connections.
            return BrokerUnreachableError(
                f"Kafka at {servers} closes every connection: check security.protocol: it may "
                "expect TLS or a password"
            )
        reason = _reason(useful[-1]) if useful else "no answer in time"
        return BrokerUnreachableError(
            f"can't reach Kafka at {servers}: {reason}: is the broker up, and is "
            "bootstrap.servers right?"
        )


def _to_check(reason: str) -> str:
    """Return what may be wrong with a login; brokers reject a token with a status as JSON."""
    if '"status"' in reason:
        return "the token's issuer, audience, scope and expiry against the broker's settings"
    return "sasl.username, sasl.password, sasl.mechanism and security.protocol"


def _reason(error: KafkaError) -> str:
    """Return librdkafka's message without the broker name and the connection state."""
    text = str(error.str()).split(" (after ")[0]
    head, _, tail = text.partition(": ")
    return tail if tail and "/" in head else text
