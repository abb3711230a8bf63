"""aiokafka's connection, with large requests sent uncopied, and one fault less on uvloop.

uvloop raises RuntimeError when something is written to a connection that broke a moment ago.
aiokafka 0.14 expects OSError only: a RuntimeError ends its background tasks (the one that keeps
metadata, a producer's sender) without a word, and whoever waits for them waits for ever.
"""

from __future__ import annotations

import struct
from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, KafkaError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.util import wait_for

from streams.transport.encoded_batch import encode_in_pieces

_SIZE = struct.Struct(">i")


class KafkaConnection(AIOKafkaConnection):  # type: ignore[misc]
    """`AIOKafkaConnection` whose sends fail with `KafkaConnectionError` whatever the loop."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request.

        Raises:
            KafkaConnectionError: the connection is broken; it is closed, so that the next one is
                made anew.
            IncompatibleBrokerVersion: no version of this request is known to both sides.
        """
        try:
            if isinstance(request, ProduceRequest) and self._writer is not None:
                return self._produce(request, expect_response)
            return super().send(request, expect_response)
        except KafkaError:  # a RuntimeError, too, and says already what is wrong
            raise
        except NotImplementedError as error:  # aiokafka's for a broker outside its versions
            raise IncompatibleBrokerVersion(str(error)) from error
        except (OSError, RuntimeError) as error:
            raise self._broken(error) from error

    def _produce(self, request: Any, expect_response: bool) -> Any:
        """Do as the base class does, but for the joining of what is written."""
        wanted = request.prepare(self._versions)
        number = self._next_correlation_id()
        header = wanted.build_request_header(correlation_id=number, client_id=self._client_id)
        pieces = [header.encode(), *encode_in_pieces(wanted)]
        self._writer.writelines([_SIZE.pack(sum(map(len, pieces))), *pieces])
        if not expect_response:
            return self._writer.drain()
        answer = self._loop.create_future()
        self._requests.append((number, wanted, answer))
        return wait_for(answer, self._request_timeout)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        try:
            return super()._send_sasl_token(payload, expect_response)
        except RuntimeError as error:
            raise self._broken(error) from error

    def _broken(self, error: OSError | RuntimeError) -> KafkaConnectionError:
        self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        return KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}")


def mend_connections() -> None:
    """Have aiokafka make its connections so from now on."""
    aiokafka.conn.AIOKafkaConnection = KafkaConnection
