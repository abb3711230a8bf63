"""A hand-written aiokafka loop that works record by record, for a low age: linger 0.

Once a second all acknowledgements are awaited and then the offsets committed: at least once.
"""

from __future__ import annotations

import asyncio
import signal
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from workloads.envelope import Origin
from workloads.job import Job
from workloads.work import Work

COMMIT_SECONDS = 1.0


async def main(job: Job) -> None:
    """Run until SIGTERM."""
    consumer = AIOKafkaConsumer(
        job.input,
        bootstrap_servers=job.bootstrap_servers,
        group_id=job.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=0
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await consumer.start()
    await producer.start()
    await answer_until(stop, job, consumer, producer)
    await producer.stop()
    await consumer.stop()


async def answer_until(
    stop: asyncio.Event, job: Job, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer
) -> None:
    """Answer each record as it comes; once a second await the acknowledgements and commit."""
    work = Work(job.workload)
    unacknowledged, commit_at = [], time.monotonic() + COMMIT_SECONDS
    while not stop.is_set():
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                unacknowledged.append(await answer(record, work, job, producer))
        if time.monotonic() >= commit_at:
            await commit(consumer, unacknowledged)
            unacknowledged, commit_at = [], time.monotonic() + COMMIT_SECONDS
    await commit(consumer, unacknowledged)


async def answer(record, work, job, producer):
    """Answer a record and return the acknowledgement to await."""
    origin = Origin(record.topic, record.partition, record.offset)
    ((value, headers),) = work.answer(
        [record.value], [origin], [record.key], [record.timestamp], time.monotonic()
    )
    return await producer.send(
        job.output, value, record.key, partition=record.partition, headers=headers
    )


async def commit(consumer, unacknowledged):
    """Commit the offsets of all records fetched so far, once their results are acknowledged."""
    if unacknowledged:
        await asyncio.gather(*unacknowledged)
        await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(Job.from_command_line()))
