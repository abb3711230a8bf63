"""PyFlink's Table API in thread mode: the Python function runs inside the JVM, record by record.

Two parallel subtasks; a checkpoint a second, which also commits the offsets: at least once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from pyflink.common import Configuration
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import TableFunction, udtf
from workloads.envelope import Origin
from workloads.job import Job
from workloads.work import Work

SOURCE = """
CREATE TABLE readings (
  `key` BYTES, `reading` BYTES,
  `at_partition` INT METADATA FROM 'partition' VIRTUAL,
  `at_offset` BIGINT METADATA FROM 'offset' VIRTUAL
) WITH (
  'connector' = 'kafka', 'topic' = '{input}', 'properties.bootstrap.servers' = '{servers}',
  'properties.group.id' = '{group}', 'scan.startup.mode' = 'earliest-offset',
  'key.format' = 'raw', 'key.fields' = 'key',
  'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
)"""
SINK = """
CREATE TABLE scores (
  `key` BYTES, `value` BYTES, `headers` MAP<STRING, BYTES> METADATA
) WITH (
  'connector' = 'kafka', 'topic' = '{output}', 'properties.bootstrap.servers' = '{servers}',
  'properties.acks' = 'all', 'properties.enable.idempotence' = 'true',
  'properties.batch.size' = '524288', 'sink.delivery-guarantee' = 'at-least-once',
  'key.format' = 'raw', 'key.fields' = 'key',
  'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
)"""
INSERT = """
INSERT INTO scores SELECT `key`, answered.`value`, answered.`headers`
FROM readings, LATERAL TABLE(answer(`reading`, at_partition, at_offset))
  AS answered(`value`, `headers`)
"""


class Answer(TableFunction):
    """Returns one row for each record: the result's value and its headers."""

    def __init__(self, topic: str, workload: str) -> None:
        self.topic, self.workload = topic, workload
        self.work = None

    def open(self, function_context) -> None:
        """Load the workload where the function runs."""
        self.work = Work(self.workload)

    def eval(self, value, partition, offset):
        """Answer one record."""
        origin = Origin(self.topic, partition, offset)
        ((result, headers),) = self.work.answer([value], [origin], [b""], [0], time.monotonic())
        yield result, dict(headers)


def environment(jars: Path) -> TableEnvironment:
    """Return a streaming environment on a local cluster in this process's JVM."""
    config = Configuration()
    for name, value in {
        "python.execution-mode": "thread",
        "python.executable": sys.executable,
        "parallelism.default": "2",
        "execution.checkpointing.interval": "1s",
        "execution.checkpointing.mode": "AT_LEAST_ONCE",
        "pipeline.jars": ";".join(jar.as_uri() for jar in jars.glob("*.jar")),
    }.items():
        config.set_string(name, value)
    settings = EnvironmentSettings.new_instance().in_streaming_mode()
    return TableEnvironment.create(settings.with_configuration(config).build())


def run(job: Job, jars: Path) -> None:
    """Run until SIGTERM."""
    tables = environment(jars)
    row = [DataTypes.BYTES(), DataTypes.MAP(DataTypes.STRING(), DataTypes.BYTES())]
    tables.create_temporary_function(
        "answer", udtf(Answer(job.input, job.workload), result_types=row)
    )
    names = {"servers": job.bootstrap_servers, "group": job.group}
    tables.execute_sql(SOURCE.format(input=job.input, **names))
    tables.execute_sql(SINK.format(output=job.output, **names))
    tables.execute_sql(INSERT).wait()


def stop_jvm() -> None:
    """End the JVM and wait for it: its CPU time then counts as this process's."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in map(int, children):
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(Job.from_command_line(), Path(os.environ["FLINK_CONNECTOR_JARS"]))
    except KeyboardInterrupt:
        stop_jvm()
