"""Penstock's Faust transport: `penstock://host:port` instead of `kafka://host:port`.

Derives from Faust's aiokafka driver. Agents of a pipeline get one Faust event a partition fetch,
whose value is a `RecordBatch`; a user's own stock agents get their records one by one, as ever.
For both, the `OffsetTracker` alone decides what is committed: Faust's own bookkeeping commits
past unfinished work when batches finish out of order (faust-streaming issue 606).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import aiokafka
from faust.transport.conductor import Conductor as FaustConductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.transport.broker_retry import never_expire, start_with_retry, stop_in_time, within
from streams.transport.connection import mend_connections
from streams.transport.consumer import Consumer
from streams.transport.fetch import take_by_batch
from streams.transport.producer import KafkaProducer, TransactionalProducer


class Producer(driver.Producer):  # type: ignore[misc]
    """Idempotent and acks=all, for stock agents too; waits for a broker as long as it takes."""

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        producer = super()._new_producer(transactional_id)
        never_expire(producer)
        self.app.health.producer.watch(producer.client)
        return producer

    async def on_start(self) -> None:
        """Start, waiting for a broker that went away since the worker looked for it."""
        await start_with_retry(super().on_start)

    async def on_stop(self) -> None:
        """Stop; what a broker that is away has not taken is given up, and will be read again."""
        if self._producer is not None:
            await stop_in_time(self._producer, self.app.seconds_to_stop() or 0.0)
        await super().on_stop()

    async def flush(self) -> None:
        """Wait until the broker has everything; while stopping, only for so long."""
        left = self.app.seconds_to_stop()
        if left is None:
            await super().flush()
        else:
            await within(left, super().flush())

    def _settings_extra(self) -> Mapping[str, Any]:
        return {**self.app.client_arguments["producer"], "acks": "all", "enable_idempotence": True}

    @property
    def _producer_type(self) -> type[aiokafka.AIOKafkaProducer]:
        return KafkaProducer

    def new_transactional(self, transactional_id: str) -> TransactionalProducer:
        """Make a producer for transactions on this one's connections."""
        settings = {**self._settings_default(), **self._settings_auth(), **self._settings_extra()}
        client = self._ensure_producer().client
        producer = TransactionalProducer(client, transactional_id, **settings)
        never_expire(producer)
        return producer


class Conductor(FaustConductor):  # type: ignore[misc]
    """Delivers record batches as they are: no decoding, no per-record queueing."""

    def _build_handler(self, tp: TP, channels: Any) -> Any:
        if tp.topic not in self.app.assigned.batch_topics:
            return super()._build_handler(tp, channels)

        async def on_batch(message: ConsumerMessage) -> None:
            for channel in channels:
                event = self.app.create_event(None, message.value, {}, message)
                # Without a limit here: `AssignedPartitions` pauses the partition long before.
                channel.queue.force_put_nowait(event)

        return on_batch


class Transport(driver.Transport):  # type: ignore[misc]
    """What `penstock://` stands for."""

    Consumer: ClassVar[Any] = Consumer
    Producer: ClassVar[Any] = Producer
    Conductor: ClassVar[Any] = Conductor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mend_connections()
        take_by_batch()
