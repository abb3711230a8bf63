"""Avro, Protobuf and JSON Schema behind a real registry and a real Kafka."""

from __future__ import annotations

import base64
import json
import signal
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml
from confluent_kafka import Consumer, Message, Producer
from google.protobuf import descriptor_pool, message_factory

from agents.commands.registry import local_registry
from schemas.registry.codecs import CONTENT_TYPES, make_framed
from schemas.registry.protoc import FILE, compile_descriptors
from schemas.registry.registered import RegisteredSchema
from streams.registry.client import RegistryClient
from streams.registry.supply import fetch
from streams.settings import RegistrySettings
from tests.conftest import REPO
from tests.integration.workers import running_worker
from tests.login_proxy import login_proxy
from tests.penstock_command import run_penstock
from tests.registries import need_registry
from tests.waiting import wait_until

EXAMPLES = REPO / "examples" / "your-own-topics"
NOW = datetime(2026, 11, 28, 4, 26, 18, 454000, tzinfo=UTC)
NOW_MS = 1_795_839_978_454

READING = {
    "type": "record", "name": "Reading", "namespace": "plant", "fields": [
        {"name": "device", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "data", "type": {"type": "record", "name": "Data", "fields": [
            {"name": "pressure", "type": ["null", "double"]}, {"name": "pump", "type": "float"}]}},
    ],
}  # fmt: skip
#: As in the comment of the example.
ORDER = "\n".join(
    line.removeprefix("#").removeprefix("   ")
    for line in (EXAMPLES / "protobuf.yaml").read_text().splitlines()[1:11]
)

pytestmark = pytest.mark.kafka


def client_of(url: str) -> RegistryClient:
    return RegistryClient(RegistrySettings(url=url))


def register(url: str, subject: str, kind: str, schema: Any) -> int:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    with client_of(url) as client:
        return client.register(subject, RegisteredSchema(kind, text))


def framed_avro(schema_id: int, schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    stream = BytesIO(b"\0" + schema_id.to_bytes(4, "big"))
    stream.seek(5)
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), record)
    return stream.getvalue()


class Run:
    """An example on a broker and a registry, with topics of its own."""

    def __init__(self, folder: Path, bootstrap: str, url: str, example: str, **agent: Any) -> None:
        settings = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
        self.name = f"{example}-{uuid.uuid4().hex[:8]}"
        ((self.agent, own),) = settings["agents"].items()
        for key in ("input", "output", "updates"):
            if key in own:
                own[key] = f"{self.name}.{own[key]}"
        own |= agent
        self.input, self.output, self.url = own["input"], own["output"], url
        self.kafka = {"bootstrap.servers": bootstrap, "group.id": self.name}
        settings |= {"metrics": {"port": 0}, "topics": {"default": {"partitions": 1}},
                     "kafka": {**self.kafka, "session.timeout.ms": 6000}}  # fmt: skip
        settings["registry"] = {"url": url}
        self.settings, self.folder = settings, folder
        self.config = folder / "example.yaml"
        self.write()
        self.must("topics", "create")

    def write(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings))

    def must(self, *command: str) -> str:
        done = run_penstock(*command, "-c", str(self.config), timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, *command: str) -> str:
        done = run_penstock(*command, "-c", str(self.config), timeout=120)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    def produce(self, values: Sequence[Any], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        producer = Producer({"bootstrap.servers": self.kafka["bootstrap.servers"]})
        for value in values:
            producer.produce(self.input, value, b"k1", headers=list(headers))
        assert producer.flush(30) == 0

    def answer(self, count: int) -> None:
        with running_worker(self.config, log_folder=self.folder) as worker:
            worker.await_finished(count)
            worker.stop()
        self.must("audit", "--drained")

    def read(self, topic: str) -> list[Message]:
        consumer = Consumer({"bootstrap.servers": self.kafka["bootstrap.servers"],
                             "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest",
                             "enable.partition.eof": True})  # fmt: skip
        consumer.subscribe([topic])
        found = []
        while (message := consumer.poll(30)) is not None and not message.error():
            found.append(message)
        consumer.close()
        return found

    def decoded(self, message: Message) -> Any:
        """Return a value as the codec that its header names reads it, with the registry."""
        value = message.value() or b""
        kind = dict(message.headers() or [])["content-type"].decode()
        codec = next(name for name, stated in CONTENT_TYPES.items() if stated == kind)
        values = make_framed(codec, is_checking_json=True)
        with client_of(self.url) as client:
            fetch(client, values, values.missing([value], [()]))
        return values.read(value, ())

    def refused(self) -> list[tuple[str, str]]:
        headers = [dict(m.headers() or []) for m in self.read(f"{self.input}.dlq")]
        return [
            (h["penstock_reason"].decode() if "penstock_reason" in h else "",
             h["__penstock.errors.exception.message"].decode())
            for h in headers
        ]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, kafka_bootstrap: str, registry_url: str) -> Run:
    return Run(tmp_path, kafka_bootstrap, registry_url, "avro")


def test_avro_in_and_avro_out(run: Run) -> None:
    schema_id = register(run.url, f"{run.input}-value", "AVRO", READING)
    assert "lacks the schema of AnomalyScore" in run.fails("check")
    assert "penstock schemas register" in run.fails("worker")
    assert "would register" in run.must("schemas", "register", "--dry-run")
    assert "registered" in run.must("schemas", "register")
    assert "present" in run.must("schemas", "register")
    run.must("check")
    good = {"device": "p7", "at": NOW, "data": {"pressure": 2.5, "pump": 1.0}}
    value = framed_avro(schema_id, READING, good)
    unknown = b"\0" + (987_654).to_bytes(4, "big") + value[5:]
    run.produce([value, value[:-2], unknown, b'{"device": "p7"}'])
    run.produce([value[5:]], [("__value_schema_id", b"\0" + schema_id.to_bytes(4, "big"))])
    sampled = json.loads(run_penstock("check", "-c", str(run.config), "--sample", "9", "--json",
                                      timeout=120).stdout)  # fmt: skip
    (sample,) = sampled["samples"]
    assert [r["outcome"] for r in sample["records"]].count("events") == 2
    run.answer(5)
    results = run.read(run.output)
    assert len(results) == 2
    for message in results:
        framed = message.value() or b""
        with client_of(run.url) as client:
            schema = client.schema(int.from_bytes(framed[1:5], "big"))
        assert schema is not None
        result = fastavro.schemaless_reader(
            BytesIO(framed[5:]), fastavro.parse_schema(json.loads(schema.text)), None
        )
        assert isinstance(result, dict)
        assert (result["source_id"], result["event_time_ms"]) == ("p7", NOW_MS)
        assert dict(message.headers() or [])["content-type"] == b"application/avro"
    messages = [message for _, message in run.refused()]
    assert len(messages) == 3
    assert "not Avro" in messages[0]
    assert "expected the fields device, at, data" in messages[0]
    assert "the registry has no schema with id 987654" in messages[1]
    assert "not framed by a schema registry" in messages[2]


def test_protobuf(tmp_path: Path, kafka_bootstrap: str, registry_url: str) -> None:
    run = Run(tmp_path, kafka_bootstrap, registry_url, "protobuf")
    schema = RegisteredSchema("PROTOBUF", ORDER)
    schema_id = register(run.url, f"{run.input}-value", "PROTOBUF", ORDER)
    pool = descriptor_pool.DescriptorPool()
    for file in compile_descriptors(schema).file:
        pool.Add(file)
    descriptor = pool.FindFileByName(FILE).message_types_by_name["Order"]
    order = message_factory.GetMessageClass(descriptor)(id=4711, kind=1, amount=59.9, pages=12)
    order.updated_at.FromDatetime(NOW.replace(tzinfo=None))
    framed = b"\0" + schema_id.to_bytes(4, "big") + b"\0" + order.SerializeToString()
    order.kind = 0
    dropped = b"\0" + schema_id.to_bytes(4, "big") + b"\0" + order.SerializeToString()
    run.produce([framed, dropped, framed[:-3]])
    run.answer(3)
    (result,) = [json.loads(m.value() or b"") for m in run.read(run.output)]
    assert (result["source_id"], result["event_time_ms"]) == ("4711", NOW_MS)
    ((_, message),) = run.refused()
    assert message.startswith(f"not Protobuf of schema id {schema_id} (Order)")


@pytest.mark.parametrize("codec", ["avro", "protobuf", "json_schema"])
def test_results_and_dead_letters_in_a_format_of_the_registry(
    tmp_path: Path, kafka_bootstrap: str, registry_url: str, codec: str
) -> None:
    run = Run(tmp_path, kafka_bootstrap, registry_url, "avro", output_codec=codec,
              dead_letter_codec=codec)  # fmt: skip
    assert "lacks the schema of DeadLetterRecord" in run.fails("check")
    done = run.must("schemas", "register")
    assert [line.split()[2] for line in done.splitlines()[1:]] == ["registered"] * 2
    assert "registered" not in run.must("schemas", "register")
    run.must("check")
    schema_id = register(run.url, f"{run.input}-value", "AVRO", READING)
    record = {"device": "p7", "at": NOW, "data": {"pressure": 2.5, "pump": 1.0}}
    value = framed_avro(schema_id, READING, record)
    stated = [("__value_schema_id", b"\0" + schema_id.to_bytes(4, "big")), ("mine", b"1")]
    run.produce([value, value[:-2]])
    run.produce([value[5:-2]], stated)
    run.answer(3)
    (answered,), letters = run.read(run.output), run.read(f"{run.input}.dlq")
    assert run.decoded(answered)["source_id"] == "p7"
    reads = [run.decoded(message) for message in letters]
    assert [r["reason"] for r in reads] == ["decode_error"] * 2
    assert [r["origin"]["offset"] for r in reads] == [1, 2]
    originals = [base64.b64decode(r["value"]) if codec == "json_schema" else r["value"]
                 for r in reads]  # fmt: skip
    assert originals == [value[:-2], value[5:-2]]
    shown = [json.loads(line) for line in
             run.must("dlq", "list", "--each", "--json").splitlines()]  # fmt: skip
    assert [base64.b64decode(s["value_base64"]) for s in shown] == originals
    assert "not Avro" in run.must("dlq", "show")
    seen = run.must("tail", run.output, "--from-beginning", "-n", "1")
    assert "p7 04:26:18.454" in seen
    assert "not scored" in seen
    seen = run.must("tail", run.output, "--from-beginning", "-n", "1", "--json")
    assert json.loads(seen)["value"]["source_id"] == "p7"
    seen = run.must("tail", f"{run.input}.dlq", "--from-beginning", "-n", "1")
    assert "decode_error: not Avro" in seen
    seen = run.must("tail", f"{run.input}.dlq", "--from-beginning", "-n", "1", "--json")
    assert json.loads(seen)["value"]["reason"] == "decode_error"
    assert "2 were replayed" in run.must("dlq", "replay", "--yes")
    again = run.read(run.input)[3:]
    assert [m.value() for m in again] == originals
    assert dict(again[1].headers() or [])["__value_schema_id"] == stated[0][1]
    run.answer(2)
    run.must("audit", "--drained")


@pytest.mark.parametrize("example", ["avro", "protobuf"])
def test_fields_are_inferred_and_records_shown_with_the_registry(
    tmp_path: Path, kafka_bootstrap: str, registry_url: str, example: str
) -> None:
    run = Run(tmp_path, kafka_bootstrap, registry_url, example)
    if example == "avro":
        schema_id = register(run.url, f"{run.input}-value", "AVRO", READING)
        values = [
            framed_avro(schema_id, READING, {"device": "p7", "at": NOW,
                                             "data": {"pressure": 2.5 + n, "pump": 1.0}})
            for n in range(4)
        ]  # fmt: skip
    else:
        schema_id = register(run.url, f"{run.input}-value", "PROTOBUF", ORDER)
        values = [order(schema_id, n) for n in range(4)]
    unknown = b"\0" + (987_654).to_bytes(4, "big") + values[0][5:]
    run.produce([*values, b'{"a": 1}', unknown])
    servers = ("--bootstrap-servers", run.kafka["bootstrap.servers"])
    done = run_penstock("schemas", "infer", run.input, *servers, timeout=60)
    assert done.returncode == 2
    assert "framed by a schema registry: name it with --registry URL" in done.stderr
    done = run_penstock("schemas", "infer", run.input, *servers, "--registry", run.url, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"codec: {example}" in done.stdout
    assert "path: at" in done.stdout or "path: updated_at" in done.stdout
    inferred = tmp_path / "inferred.yaml"
    inferred.write_text(done.stdout)
    checked = run_penstock("check", "-c", str(inferred), "--sample", "9", "--json", timeout=120,
                           env={"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": servers[1]})  # fmt: skip
    assert "create missing topics" in checked.stdout  # which does not keep it from sampling
    (sample,) = json.loads(checked.stdout)["samples"]
    assert [r["outcome"] for r in sample["records"]].count("events") == 4
    tail = ("tail", run.input, "--from-beginning", "-n", "6", *servers)
    lines = run_penstock(*tail, "--registry", run.url, timeout=60).stdout
    assert lines.count("2026-11-28T04:26:18.454") == 4
    assert "no schema with id 987654" in lines
    assert '{"a": 1}' in lines or '{"a":1}' in lines


def order(schema_id: int, number: int) -> bytes:
    """Return a framed message of the example's schema."""
    pool = descriptor_pool.DescriptorPool()
    for file in compile_descriptors(RegisteredSchema("PROTOBUF", ORDER)).file:
        pool.Add(file)
    descriptor = pool.FindFileByName(FILE).message_types_by_name["Order"]
    made = message_factory.GetMessageClass(descriptor)(id=4711, kind=1, amount=59.9, pages=number)
    made.updated_at.FromDatetime(NOW.replace(tzinfo=None))
    encoded: bytes = made.SerializeToString()
    return b"\0" + schema_id.to_bytes(4, "big") + b"\0" + encoded


def test_a_registry_that_is_away_is_waited_for(tmp_path: Path, kafka_bootstrap: str) -> None:
    need_registry()
    with local_registry(data_dir=tmp_path / "registry") as registry:
        run = Run(tmp_path, kafka_bootstrap, registry.bootstrap_servers, "avro",
                  output_codec="json")  # fmt: skip
        schema_id = register(run.url, f"{run.input}-value", "AVRO", READING)
        registry.kill()
        record = {"device": "p7", "at": NOW, "data": {"pressure": None, "pump": 1.0}}
        run.produce([framed_avro(schema_id, READING, record)] * 20)
        with running_worker(run.config, log_folder=tmp_path) as worker:
            worker.await_started()
            wait_until("the worker waits", lambda: "waiting for it" in worker.log_text(), 60)
            assert worker.accounts()["dead_lettered"] == 0
            wait_until("/ready says so", lambda: "schema registry" in str(worker.probe("/ready")))
            registry.start(timeout=120)
            worker.await_finished(20)
            assert worker.accounts()["answered"] == 20
            worker.stop()
            assert "the schema registry answers again" in worker.log_text()
    run.must("audit", "--drained")


def test_a_worker_that_waits_for_the_registry_stops_at_once(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    run = Run(tmp_path, kafka_bootstrap, "http://127.0.0.1:9", "avro", output_codec="json")
    run.produce([b"\0\0\0\0\1abc"])
    with running_worker(run.config, log_folder=tmp_path) as worker:
        wait_until("the worker waits", lambda: "waiting for it" in worker.log_text(), 60)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(20) == 0


def test_a_refused_login_is_one_line(
    tmp_path: Path, kafka_bootstrap: str, registry_url: str
) -> None:
    with login_proxy(registry_url, "reader", "right-secret") as url:
        run = Run(tmp_path, kafka_bootstrap, url, "avro", output_codec="json")
        wrong = {"username": "reader", "password": "wrong-secret"}
        for login in (wrong, {"token": "wrong-secret"}):
            run.settings["registry"] = {"url": url, **login}
            run.write()
            for command in ("worker", "check"):
                errors = run.fails(command)
                assert errors.count("\n") == 1
                assert "refuses the login" in errors
                assert "secret" not in errors
        run.settings["registry"] = {"url": url, "username": "reader", "password": "right-secret"}
        run.write()
        run.must("check")


def test_an_incompatible_schema_is_refused(run: Run) -> None:
    other = {"type": "record", "name": "AnomalyScore", "namespace": "penstock", "fields": []}
    subject = f"{run.output}-value"
    register(run.url, subject, "AVRO", other)
    errors = run.fails("schemas", "register")
    assert f"subject {subject}" in errors
    assert "not compatible" in errors
    with client_of(run.url) as client:
        assert client.versions(subject) == [1]
