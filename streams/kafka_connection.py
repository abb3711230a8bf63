"""aiokafka's connection on uvloop: a broken one is an error of Kafka's, as on asyncio's own loop.

uvloop raises RuntimeError when something is written to a connection that broke a moment ago.
aiokafka 0.14 expects OSError only: a RuntimeError ends its background tasks (the one that keeps
metadata, a producer's sender) without a word, and whoever waits for them waits for ever.
"""

from __future__ import annotations

from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class KafkaConnection(AIOKafkaConnection):  # type: ignore[misc]
    """`AIOKafkaConnection` whose sends fail with `KafkaConnectionError` whatever the loop."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request.

        Raises:
            KafkaConnectionError: the connection is broken; it is closed, so that the next one is
                made anew.
        """
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            raise self._broken(error) from error

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        try:
            return super()._send_sasl_token(payload, expect_response)
        except RuntimeError as error:
            raise self._broken(error) from error

    def _broken(self, error: RuntimeError) -> KafkaConnectionError:
        self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        return KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}")


def mend_connections() -> None:
    """Have aiokafka make its connections so from now on."""
    aiokafka.conn.AIOKafkaConnection = KafkaConnection
