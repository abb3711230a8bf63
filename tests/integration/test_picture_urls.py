"""Records that name pictures on a web server: read, refused, and waited for while it is away."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from tests.integration.pipelines import Pipeline
from tests.integration.workers import running_worker
from tests.penstock_command import run_penstock
from tests.waiting import wait_until

MODEL = """
from models.base import Model
from schemas import VideoFrame

class Sizes(Model):
    name, event_type = "sizes", VideoFrame

    def predict_batch(self, batch):
        return [{"size": len(frame.image)} for frame in batch]
"""


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.send_response(200 if name.isdigit() else 404)
        self.end_headers()
        self.wfile.write(b"x" * int(name) if name.isdigit() else b"")

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def web_server(port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_pictures_by_url(tmp_path: Path, bootstrap: str, port: int) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    (tmp_path / "sizes.py").write_text(MODEL)
    allow = f"http://127.0.0.1:{port}/gate/"
    image = {"path": "at", "format": "url", "allow": [allow], "max_bytes": 1_000}
    topic, output = f"{pipeline.name}.gate", f"{pipeline.name}.sizes"
    agent = {"input": topic, "output": output, "model": "./sizes.py:Sizes",
             "fields": {"source_id": "camera", "image": image}}  # fmt: skip
    settings = {"agents": {"sizes": agent}, "metrics": {"port": 0},
                "topics": {"default": {"partitions": 1}},
                "kafka": {"bootstrap.servers": bootstrap, "group.id": pipeline.name}}  # fmt: skip
    config = tmp_path / "gate.yaml"
    config.write_text(yaml.safe_dump(settings))
    assert run_penstock("topics", "create", "-c", str(config)).returncode == 0
    names = [str(n) for n in range(1, 41)]
    names[5], names[6], names[7] = "2000", "nosuch", "https://127.0.0.1:1/gate/1"
    producer = Producer({"bootstrap.servers": bootstrap})
    for name in names:
        producer.produce(topic, json.dumps({"camera": "c1", "at": name}), "c1")
    assert producer.flush(30) == 0
    sampled = run_penstock("check", "-c", str(config), "--sample", "5")
    assert f"5 sampled records would wait: http://127.0.0.1:{port} does not answer" in (
        sampled.stdout + sampled.stderr
    )
    with running_worker(config, log_folder=tmp_path) as worker:
        wait_until("the worker waits", lambda: "waiting for it" in worker.log_text(), 60)
        assert worker.accounts()["dead_lettered"] == 0
        wait_until("/ready says so", lambda: "does not answer" in str(worker.probe("/ready")))
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(20) == 0
        assert "were not finished in time" not in worker.log_text()  # it did not wait for them
    with running_worker(config, log_folder=tmp_path) as worker:
        worker.await_started()
        with web_server(port):
            worker.await_finished(40)
            worker.stop()
    audited = run_penstock("audit", "-c", str(config), "--drained")
    assert audited.returncode == 0, audited.stdout + audited.stderr
    sizes = [json.loads(m.value() or b"")["size"] for m in pipeline.read(output)]
    assert sizes == [n for n in range(1, 41) if n not in (6, 7, 8)]
    letters = [dict(m.headers() or []) for m in pipeline.read(f"{topic}.dlq")]
    reasons = {h["__penstock.errors.offset"]: h["__penstock.errors.reason"] for h in letters}
    assert reasons == {b"5": b"too_large", b"6": b"missing_object", b"7": b"schema_error"}
