"""The parts of both stock Faust contenders: the app, its topics, and answering a batch."""

from __future__ import annotations

import time
from pathlib import Path

import faust
from workloads.envelope import Origin
from workloads.job import Job
from workloads.work import Work


class Stock:
    """A stock Faust app; values and keys stay bytes, Faust's fastest way."""

    def __init__(self, job: Job) -> None:
        self.work = Work(job.workload)
        self.app = faust.App(
            job.group,
            broker=f"kafka://{job.bootstrap_servers}",
            producer_acks=-1,
            producer_max_batch_size=512 * 1024,
            topic_disable_leader=True,
            store="memory://",
            datadir=Path(job.folder),
            web_enabled=False,
        )
        raw = {
            "key_type": bytes,
            "value_type": bytes,
            "key_serializer": "raw",
            "value_serializer": "raw",
        }
        self.input = self.app.topic(job.input, **raw)
        self.output = self.app.topic(job.output, **raw)

    def outputs_of(self, events, arrived: float):
        """Answer events in their order."""
        return self.work.answer(
            [event.value for event in events],
            [Origin(*event.message.tp, event.message.offset) for event in events],
            [event.key for event in events],
            [int(event.message.timestamp * 1000) for event in events],
            arrived,
        )

    def run(self) -> None:
        """Run until SIGTERM."""
        worker = faust.Worker(self.app, loglevel="WARNING", quiet=True)
        worker.spinner = None
        worker.execute_from_commandline()


async def send(output, key: bytes, value: bytes, headers) -> None:
    """Queue one result; Faust commits without awaiting its acknowledgement."""
    await output.send(key=key, value=value, headers=headers)


now = time.monotonic
