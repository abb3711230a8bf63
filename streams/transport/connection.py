"""aiokafka's connection: no topic is created, large requests are not copied, and a bug is fixed.

It also logs in again before its session ends: see `session_renewal.py`.

Kafka's metadata request may create the topics that it names: a broker with
`auto.create.topics.enable` (Kafka's default) then makes a deleted topic again, with its own number
of partitions. aiokafka has no setting for that, but every request passes through here.

uvloop raises RuntimeError on a write to a connection that has just broken. aiokafka 0.14 handles
OSError only: a RuntimeError silently ends its background tasks (the metadata refresh, a producer's
sender), and everything that waits for them hangs.
"""

from __future__ import annotations

import struct
from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, KafkaError
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.util import wait_for

from streams.transport.encoded_batch import encode_in_pieces
from streams.transport.session_renewal import SessionRenewal

_SIZE = struct.Struct(">i")
_LOGIN = (SaslHandShakeRequest, SaslAuthenticateRequest)


class KafkaConnection(AIOKafkaConnection):  # type: ignore[misc]
    """`AIOKafkaConnection` that creates no topics, and raises the same errors on every loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._renewal = SessionRenewal(
            self._do_sasl_handshake, kwargs.get("sasl_oauth_token_provider"), self._broken
        )

    async def connect(self) -> Any:
        """Connect and log in; renew the session from then on."""
        streams = await super().connect()
        self._renewal.begin()
        return streams

    def close(self, reason: Any = None, exc: Any = None) -> Any:
        """Close the connection; its session is renewed no more."""
        self._renewal.end()
        return super().close(reason, exc)

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request; a broken connection is a `KafkaConnectionError` on every event loop.

        Raises:
            KafkaConnectionError: the connection is broken and now closed; the client opens another.
            IncompatibleBrokerVersion: client and broker share no version of this request.
        """
        if self._renewal.is_running and not isinstance(request, _LOGIN):
            return self._send_later(request, expect_response)
        if isinstance(request, MetadataRequest):
            request._allow_auto_topic_creation = False
        try:
            if isinstance(request, ProduceRequest) and self._writer is not None:
                return self._produce(request, expect_response)
            sent = super().send(request, expect_response)
        except KafkaError:  # also a RuntimeError, but with its own message
            raise
        except NotImplementedError as error:  # raised by aiokafka for a broker outside its versions
            raise IncompatibleBrokerVersion(str(error)) from error
        except (OSError, RuntimeError) as error:
            raise self._broken(error) from error
        return self._note_session(sent) if isinstance(request, SaslAuthenticateRequest) else sent

    async def _send_later(self, request: Any, expect_response: bool) -> Any:
        await self._renewal.wait()
        return await self.send(request, expect_response)

    async def _note_session(self, sent: Any) -> Any:
        answer = await sent
        milliseconds = getattr(answer, "session_lifetime_ms", 0)  # in brokers since Kafka 2.2
        self._renewal.session_seconds = milliseconds / 1000
        return answer

    def _produce(self, request: Any, expect_response: bool) -> Any:
        """Send like the base class, but write the parts of the request without joining them."""
        prepared = request.prepare(self._versions)
        number = self._next_correlation_id()
        header = prepared.build_request_header(correlation_id=number, client_id=self._client_id)
        pieces = [header.encode(), *encode_in_pieces(prepared)]
        self._writer.writelines([_SIZE.pack(sum(map(len, pieces))), *pieces])
        if not expect_response:
            return self._writer.drain()
        answer = self._loop.create_future()
        self._requests.append((number, prepared, answer))
        return wait_for(answer, self._request_timeout)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        try:
            return super()._send_sasl_token(payload, expect_response)
        except RuntimeError as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> KafkaConnectionError:
        self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        return KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}")


def fix_connections() -> None:
    """Make aiokafka use `KafkaConnection` from now on, in the whole process."""
    aiokafka.conn.AIOKafkaConnection = KafkaConnection
