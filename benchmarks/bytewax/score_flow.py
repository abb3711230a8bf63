"""Bytewax: a dataflow that answers each batch of its Kafka source, with a recovery store.

Bytewax keeps offsets in that store, once an epoch, and commits none to Kafka. (Not named run.py:
Bytewax is a namespace package, and this folder would add a module `bytewax.run` to it.)
"""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from workloads.envelope import Origin
from workloads.job import Job
from workloads.work import Work

EPOCH = timedelta(seconds=1)


def flow_of(job: Job) -> Dataflow:
    """Return the dataflow; a batch is the result of one poll of a partition."""
    work = Work(job.workload)
    servers = job.bootstrap_servers.split(",")

    def answer(messages):
        outputs = work.answer(
            [message.value for message in messages],
            [Origin(m.topic, m.partition, m.offset) for m in messages],
            [message.key for message in messages],
            [message.timestamp[1] for message in messages],
            time.monotonic(),
        )
        return [
            KafkaSinkMessage(message.key, value, headers=headers)
            for message, (value, headers) in zip(messages, outputs, strict=True)
        ]

    flow = Dataflow("score")
    source = KafkaSource(servers, [job.input], batch_size=work.workload.max_batch_size)
    readings = op.input("readings", flow, source)
    scores = op.flat_map_batch("answer", readings, answer)
    settings = {"acks": "all", "enable.idempotence": "true"}
    settings["linger.ms"] = str(work.workload.linger_ms)
    sink = KafkaSink(servers, job.output, settings)
    op.output("scores", scores, sink)
    return flow


def run(job: Job) -> None:
    """Run until SIGTERM, which ends Bytewax at once."""
    store = Path(job.folder) / "recovery"
    store.mkdir()
    init_db_dir(store, 1)
    cli_main(flow_of(job), recovery_config=RecoveryConfig(store), epoch_interval=EPOCH)


if __name__ == "__main__":
    run(Job.from_command_line())
