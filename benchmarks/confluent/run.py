"""A hand-written confluent-kafka loop: consume many, answer, produce, commit once a second."""

from __future__ import annotations

import signal
import time

from confluent_kafka import Consumer, Producer
from workloads.envelope import Origin
from workloads.job import Job
from workloads.work import Work

COMMIT_SECONDS = 1.0


class Loop:
    """The loop and its clients."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.work = Work(job.workload)
        self.is_stopping = False
        self.consumer = Consumer(
            {
                "bootstrap.servers": job.bootstrap_servers,
                "group.id": job.group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        self.producer = Producer(
            {
                "bootstrap.servers": job.bootstrap_servers,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": self.work.workload.linger_ms,
                "batch.size": 512 * 1024,
                "queue.buffering.max.messages": 200_000,
            }
        )

    def run(self) -> None:
        """Run until SIGTERM."""
        self.consumer.subscribe([self.job.input])
        commit_at = time.monotonic() + COMMIT_SECONDS
        has_uncommitted = False
        size, wait = self.work.workload.max_batch_size, self.work.workload.max_wait_seconds
        while not self.is_stopping:
            messages = self.consumer.consume(size, timeout=wait)
            if messages:
                self.answer(messages)
                has_uncommitted = True
            if has_uncommitted and time.monotonic() >= commit_at:
                self.commit()
                has_uncommitted, commit_at = False, time.monotonic() + COMMIT_SECONDS
        if has_uncommitted:
            self.commit()
        self.consumer.close()

    def answer(self, messages) -> None:
        """Answer messages in their order."""
        arrived = time.monotonic()
        for message in messages:
            if message.error():
                raise SystemExit(str(message.error()))
        outputs = self.work.answer(
            [message.value() for message in messages],
            [Origin(m.topic(), m.partition(), m.offset()) for m in messages],
            [message.key() for message in messages],
            [message.timestamp()[1] for message in messages],
            arrived,
        )
        for message, (value, headers) in zip(messages, outputs, strict=True):
            self.produce(message.key(), value, headers, message.partition())
        self.producer.poll(0)

    def produce(self, key, value, headers, partition) -> None:
        """Queue one result; wait while the queue is full."""
        while True:
            try:
                self.producer.produce(
                    self.job.output,
                    value,
                    key,
                    partition,
                    headers=headers,
                    on_delivery=stop_if_refused,
                )
                return
            except BufferError:
                self.producer.poll(0.05)

    def commit(self) -> None:
        """Commit what was consumed, all of its results being acknowledged."""
        self.producer.flush()
        self.consumer.commit(asynchronous=False)

    def stop(self, *_) -> None:
        """End the loop."""
        self.is_stopping = True


def stop_if_refused(error, _) -> None:
    """End the process if a result was refused."""
    if error is not None:
        raise SystemExit(str(error))


if __name__ == "__main__":
    loop = Loop(Job.from_command_line())
    signal.signal(signal.SIGTERM, loop.stop)
    loop.run()
