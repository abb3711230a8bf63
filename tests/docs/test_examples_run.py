"""Run the Python blocks of the documentation that are marked `run`."""

from __future__ import annotations

import doctest
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, TopicPartition

from agents.pipeline.file import load_pipeline
from schemas import EVENT_TYPES, Event, make_codec
from streams.decoding import Decoder
from streams.offsets import OffsetTracker
from tests.conftest import REPO
from tests.docs.markdown import PAGES, blocks
from tests.fakes import record_batch
from tests.integration.pipelines import Pipeline

pytestmark = pytest.mark.xdist_group("examples")  # one broker and worker for all
TRAVELS = REPO / "docs" / "producing-and-consuming.md"
DEAD_LETTERS = REPO / "docs" / "dead-letters.md"
_BROKER = "127.0.0.1:9092"


def run_blocks(page: Path) -> list[str]:
    return [block.text for block in blocks(page, "python") if block.mark == "run"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sessions_print_what_they_show(page: Path) -> None:
    names: dict[str, Any] = {}
    with without_overrides() as patch:
        patch.chdir(REPO)
        for text in (text for text in run_blocks(page) if ">>>" in text):
            names = run_session(text, names)


def run_session(text: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block of `>>>` lines and return the names that it defines."""
    test = doctest.DocTestParser().get_doctest(text, names, "docs", None, None)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    failed, tried = runner.run(test, out=report.append, clear_globs=False)
    assert failed == 0, "".join(report)
    assert tried > 0
    return test.globs


@contextmanager
def without_overrides() -> Iterator[pytest.MonkeyPatch]:
    """Unset the developer's overrides of pipeline files for the length of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PENSTOCK_") and "__" in name]:
            patch.delenv(name)
        yield patch


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, embedded_bootstrap: str) -> Iterator[str]:
    """A broker on which a worker has answered the records of the page's producer."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copy(REPO / "tests/models/detection/golden/scene.jpg", folder / "frame.jpg")
    pipeline = SensorPipeline(folder, embedded_bootstrap, name="docs")
    with without_overrides(), pipeline.worker() as worker:
        produce, *_ = (text for text in run_blocks(TRAVELS) if "Producer(" in text)
        execute(produce, embedded_bootstrap, folder)
        bad = produce.partition("reading =")[0] + 'producer.produce("sensor.readings", "{bad")'
        execute(bad + "\nassert producer.flush(30) == 0\n", embedded_bootstrap, folder)
        worker.await_started()
        yield embedded_bootstrap
        worker.stop()


class SensorPipeline(Pipeline):
    """The sensor agent of `examples/penstock.yaml`, alone."""

    def __post_init__(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings()))

    def settings(self) -> dict[str, Any]:
        example = yaml.safe_load((REPO / "examples" / "penstock.yaml").read_text())
        agents = {"score_anomalies": example["agents"]["score_anomalies"]}
        return {"kafka": self.kafka, "agents": agents, "metrics": {"port": 0}}


def execute(text: str, bootstrap: str, folder: Path) -> str:
    """Run a block as a script and return what it printed."""
    assert _BROKER in text
    script = [sys.executable, "-c", text.replace(_BROKER, bootstrap)]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_results_can_be_consumed(answered: str, tmp_path: Path) -> None:
    (consume,) = (t for t in run_blocks(TRAVELS) if "Consumer(" in t)
    execute(consume, answered, tmp_path)


def test_dead_letters_can_be_consumed(answered: str, tmp_path: Path) -> None:
    (consume,) = (t for t in run_blocks(DEAD_LETTERS) if "Consumer(" in t)
    assert "decode_error" in execute(consume, answered, tmp_path)


@pytest.mark.parametrize(
    ("topic", "codec", "event", "source_id"),
    [
        ("sensor.readings", "json", "SensorReading", "pump-1"),
        ("packed.readings", "msgpack", "SensorReading", "pump-1"),
        ("text.messages", "json", "TextMessage", "conversation-1"),
        ("behavior.events", "json", "BehaviorEvent", "user-1"),
        ("video.frames", "image", "VideoFrame", "camera-1"),
    ],
)
def test_produced_records_are_events(
    answered: str, topic: str, codec: str, event: str, source_id: str
) -> None:
    decoder: Decoder[Event] = Decoder(make_codec(codec, EVENT_TYPES[event]), 5_000_000)
    produced = first_event(answered, topic, decoder)
    assert produced.source_id == source_id
    assert produced.event_time_ms > 0


def first_event(bootstrap: str, topic: str, decoder: Decoder[Event]) -> Event:
    """The first valid event on a topic of four partitions."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "docs-reader"})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
    try:
        while True:
            message = consumer.poll(10)
            assert message is not None, f"no event on {topic}"
            assert message.error() is None
            batch = record_batch(
                [message.value()], tracker=OffsetTracker(), keys=[message.key()],
                headers=[message.headers() or []], topic=topic,
            )  # fmt: skip
            decoded = decoder.decode(batch)
            if decoded.events:
                return decoded.events[0]
    finally:
        consumer.close()


def test_the_page_produces_to_every_topic_of_the_default_pipeline() -> None:
    inputs = [
        t
        for a in load_pipeline(REPO / "examples/penstock.yaml", {}).agents.values()
        for t in a.inputs
    ]
    assert all(f'producer.produce("{topic}"' in TRAVELS.read_text() for topic in inputs)
