"""A hand-written aiokafka loop that works in batches.

Producer batches are built by hand and results are pipelined. Once a second all acknowledgements
are awaited and then the offsets committed: at least once, as Penstock.
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
PRODUCER_BATCH_BYTES = 512 * 1024


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
        bootstrap_servers=job.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=PRODUCER_BATCH_BYTES,
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
    """Fetch, answer, send; once a second await the acknowledgements and commit."""
    work = Work(job.workload)
    size = work.workload.max_batch_size
    unacknowledged, commit_at = [], time.monotonic() + COMMIT_SECONDS
    while not stop.is_set():
        fetched = await consumer.getmany(timeout_ms=200, max_records=size)
        if fetched:
            arrived = time.monotonic()
            unacknowledged += await answer(fetched, arrived, work, job, producer)
        if time.monotonic() >= commit_at:
            await commit(consumer, unacknowledged)
            unacknowledged, commit_at = [], time.monotonic() + COMMIT_SECONDS
    await commit(consumer, unacknowledged)


async def answer(fetched, arrived, work, job, producer):
    """Answer what was fetched and return the acknowledgements to await."""
    records = [record for rows in fetched.values() for record in rows]
    outputs = await outputs_of(records, arrived, work)
    futures, start = [], 0
    for tp, rows in fetched.items():
        of_partition = outputs[start : start + len(rows)]
        start += len(rows)
        for batch in producer_batches(producer, rows, of_partition):
            futures.append(await producer.send_batch(batch, job.output, partition=tp.partition))
    return futures


async def outputs_of(records, arrived, work):
    """Answer records; off the event loop if the model is slow."""
    columns = (
        [record.value for record in records],
        [Origin(record.topic, record.partition, record.offset) for record in records],
        [record.key for record in records],
        [record.timestamp for record in records],
        arrived,
    )
    if work.workload.is_slow:
        return await asyncio.to_thread(work.answer, *columns)
    return work.answer(*columns)


def producer_batches(producer, rows, outputs):
    """Return closed producer batches that hold the outputs in order."""
    batch = producer.create_batch()
    batches = [batch]
    for row, (value, headers) in zip(rows, outputs, strict=True):
        fields = {"key": row.key, "value": value, "headers": headers, "timestamp": None}
        if batch.append(**fields) is None:
            batch = producer.create_batch()
            batches.append(batch)
            batch.append(**fields)
    for batch in batches:
        batch.close()
    return batches


async def commit(consumer, unacknowledged):
    """Commit what was fetched so far, all of it being acknowledged."""
    if unacknowledged:
        await asyncio.gather(*unacknowledged)
        await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(Job.from_command_line()))
