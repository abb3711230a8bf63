"""Runs an agent's engine in memory, with access to its sink, tracker and metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from schemas import Event, make_codec
from streams.decoding import Decoder
from streams.delivery import Delivery
from streams.encoding import ResultEncoder
from streams.executor import host_executor
from streams.health.metrics import Metrics
from streams.inference import Inference
from streams.ingest import BatchDecoder
from streams.model_pool import ModelPool
from streams.model_protocols import ModelFactory
from streams.offsets import OffsetTracker
from streams.output_records import OutputRecord
from streams.records import RecordBatch
from streams.settings import AgentSettings, BatchSettings
from tests.fakes import Doubling, ListSink, Number, record_batch

SETTINGS = AgentSettings(
    input="numbers",
    output="doubles",
    model="doubling",
    batch=BatchSettings(max_batch_size=8, max_wait_seconds=0.01),
)


class Engine:
    """An `Inference` and its parts."""

    def __init__(
        self,
        factory: ModelFactory,
        sink: ListSink,
        settings: AgentSettings,
        *,
        event_type: type[Event] = Number,
        host: ThreadPoolExecutor | None = None,
        decoder: BatchDecoder | None = None,
        **more: Any,
    ) -> None:
        self.sink = sink
        self.settings = settings
        self.tracker = OffsetTracker()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        metrics = self.metrics.for_agent("double", settings.inputs, "doubling")
        self.pool = ModelPool("double", factory, settings.concurrency, ["cpu"])
        self.delivery = Delivery("double", settings, sink, self.tracker, metrics, self._fail)
        self.inference = Inference(
            "double",
            settings,
            decoder=decoder or Decoder(make_codec("json", event_type), settings.max_record_bytes),
            pool=self.pool,
            encoder=ResultEncoder("double", make_codec("json", Event), self.pool),
            delivery=self.delivery,
            metrics=metrics,
            host=host or host_executor(2),
            **more,
        )
        self.failures: list[BaseException] = []

    async def _fail(self, error: BaseException) -> None:
        self.failures.append(error)

    def batch(self, numbers: Sequence[Any], **kwargs: Any) -> RecordBatch:
        """Make a record batch: integers become events, anything else is a raw value."""
        values = [json.dumps({"x": n}).encode() if isinstance(n, int) else n for n in numbers]
        return record_batch(values, tracker=self.tracker, **kwargs)

    async def drained(self) -> None:
        """Wait until no record is unfinished."""
        async with asyncio.timeout(10):
            while self.tracker.num_taken():
                await asyncio.sleep(0.002)

    def count(self, name: str, **labels: str) -> float:
        """Return the present value of a metric of this agent."""
        labels = {"agent": "double", **labels}
        return self.registry.get_sample_value(name, labels) or 0.0

    def accounts(self, topic: str = "numbers") -> dict[str, float]:
        """Return the record counts that must balance."""
        outcomes = {
            outcome: self.count("penstock_records_total", topic=topic, outcome=outcome)
            for outcome in ("answered", "dead_lettered", "filtered")
        }
        return {
            "in": self.count("penstock_records_in_total", topic=topic),
            **outcomes,
            "in_flight": self.count("penstock_records_in_flight"),
        }


@asynccontextmanager
async def engine(
    factory: ModelFactory = Doubling,
    sink: ListSink | None = None,
    settings: AgentSettings = SETTINGS,
    **more: Any,
) -> AsyncIterator[Engine]:
    """Run an engine until the block ends."""
    made = Engine(factory, sink or ListSink(), settings, **more)
    async with made.inference:
        yield made


def answers(records: Sequence[OutputRecord]) -> list[tuple[int, float]]:
    """Return the offset and the answer of each result."""
    values = [json.loads(record.value) for record in records]
    return [(value["origin"]["offset"], value["y"]) for value in values]
