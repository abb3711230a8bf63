"""Quix Streams: a streaming data frame that answers each record, at least once."""

from __future__ import annotations

import time

from quixstreams import Application, message_context
from workloads.envelope import Origin
from workloads.job import Job
from workloads.work import Work

COMMIT_SECONDS = 1.0


def run(job: Job) -> None:
    """Run until SIGTERM."""
    work = Work(job.workload)
    app = Application(
        broker_address=job.bootstrap_servers,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_SECONDS,
        processing_guarantee="at-least-once",
        producer_extra_config={"acks": "all", "enable.idempotence": True},
        state_dir=job.folder,
        auto_create_topics=False,
        loglevel="WARNING",
    )
    serialised = {"value_serializer": "bytes", "key_serializer": "bytes"}
    source = app.topic(job.input, value_deserializer="bytes", key_deserializer="bytes")

    def answer(value, key, timestamp_ms, _headers):
        context = message_context()
        origin = Origin(context.topic, context.partition, context.offset)
        (output,) = work.answer([value], [origin], [key], [timestamp_ms], time.monotonic())
        return output

    frame = app.dataframe(source).apply(answer, metadata=True)
    frame = frame.set_headers(lambda output, *_: output[1])
    frame.apply(lambda output: output[0]).to_topic(app.topic(job.output, **serialised))
    app.run()


if __name__ == "__main__":
    run(Job.from_command_line())
