"""Penstock's Faust transport: `penstock://host:port` instead of `kafka://host:port`.

Derives from Faust's aiokafka driver. Agents of a pipeline get one Faust event per partition fetch,
whose value is a `RecordBatch`; stock Faust agents in the same app get single records. For both, the
`OffsetTracker` alone decides what is committed: Faust's own bookkeeping commits past unfinished
work when batches finish out of order (faust-streaming issue 606).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import aiokafka
from faust.transport.conductor import Conductor as FaustConductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.retry import within
from streams.transport.broker_retry import start_with_retry
from streams.transport.client_requests import send_through
from streams.transport.connection import fix_connections
from streams.transport.consumer import Consumer
from streams.transport.fetch import take_by_batch
from streams.transport.producer import KafkaProducer, TransactionalProducer
from streams.transport.static_member import use_coordinator


class Producer(driver.Producer):  # type: ignore[misc]
    """Faust's producer, idempotent and acks=all; waits without a limit while no broker answers."""

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        producer = super()._new_producer(transactional_id)
        send_through(producer.client, contact=self.app.health.producer)
        return producer

    async def on_start(self) -> None:
        """Start; wait while no broker can be reached."""
        await start_with_retry(super().on_start)

    async def on_stop(self) -> None:
        """Stop; drop unacknowledged results after a time limit: their records are read again."""
        if self._producer is not None:
            await self._producer.stop_within(self.app.seconds_to_stop() or 0.0)
        await super().on_stop()

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything; limited while the worker stops."""
        seconds = self.app.seconds_to_stop()
        if seconds is None:
            await super().flush()
        else:
            await within(seconds, super().flush())

    def _settings_extra(self) -> Mapping[str, Any]:
        return {**self.app.client_arguments["producer"], "acks": "all", "enable_idempotence": True}

    @property
    def _producer_type(self) -> type[aiokafka.AIOKafkaProducer]:
        return KafkaProducer

    @property
    def client_producer(self) -> KafkaProducer:
        """The started aiokafka producer."""
        producer: KafkaProducer = self._ensure_producer()
        return producer

    def new_transactional(self, transactional_id: str) -> TransactionalProducer:
        """Make a transactional producer on this producer's connections."""
        settings = {**self._settings_default(), **self._settings_auth(), **self._settings_extra()}
        client = self.client_producer.client
        return TransactionalProducer(client, transactional_id, **settings)


class Conductor(FaustConductor):  # type: ignore[misc]
    """Passes record batches to agents without decoding them or queueing single records."""

    def _build_handler(self, tp: TP, channels: Any) -> Any:
        if tp.topic not in self.app.assigned.batch_topics:
            return super()._build_handler(tp, channels)

        async def on_batch(message: ConsumerMessage) -> None:
            for channel in channels:
                event = self.app.create_event(None, message.value, {}, message)
                # No limit here: `AssignedPartitions` pauses the partition much earlier.
                channel.queue.force_put_nowait(event)

        return on_batch


class Transport(driver.Transport):  # type: ignore[misc]
    """The transport of `penstock://` URLs."""

    Consumer: ClassVar[Any] = Consumer
    Producer: ClassVar[Any] = Producer
    Conductor: ClassVar[Any] = Conductor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fix_connections()
        take_by_batch()
        use_coordinator()

    async def _create_topic(
        self, owner: Any, client: Any, topic: str, *args: Any, **kwargs: Any
    ) -> None:
        """Create a topic of a stock Faust agent (its table, its replies); none of the pipeline."""
        if topic not in self.app.pipeline_topics:
            await super()._create_topic(owner, client, topic, *args, **kwargs)
