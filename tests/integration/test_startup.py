"""What stops a worker from starting is told in one line, with exit code 2 and no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.integration.running import Pipeline

_RUN = "from agents.commands.main import main; main()"


def start(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _RUN, "worker", "-c", str(config), *options],
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if "penstock: error:" in line]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


@pytest.mark.kafka
def test_a_missing_topic(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    settings = pipeline.settings()
    settings["agents"]["double"]["output"] = "no-such-topic"
    pipeline.config.write_text(yaml.safe_dump(settings))
    assert_one_line(start(pipeline.config), "no-such-topic", "penstock topics create")


def test_an_unreachable_broker(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    settings = pipeline.settings()
    settings["kafka"]["bootstrap.servers"] = "127.0.0.1:1"
    pipeline.config.write_text(yaml.safe_dump(settings))
    assert_one_line(start(pipeline.config), "127.0.0.1:1", "refused")


def test_exactly_once_on_the_embedded_broker(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    pipeline.config.write_text(yaml.safe_dump({**pipeline.settings(), "guarantee": "exactly_once"}))
    words = ("exactly_once needs Apache Kafka", "embedded", "at_least_once")
    assert_one_line(start(pipeline.config), *words)
    check = [sys.executable, "-c", _RUN, "check", "-c", str(pipeline.config)]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert words[0] in done.stderr


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("./absent.onnx", ("double", "absent.onnx", "no such file")),
        ("./notes.onnx", ("double", "notes.onnx")),
        ("./doubling.py:Absent", ("Absent",)),
        ("./broken.py:Model", ("broken.py:2", "RuntimeError: broken")),
        ("./stubborn.py:Model", ("double", "weights.bin is gone")),
        ("./clumsy.py:Model", ("double", "FileNotFoundError", "weights.bin")),
    ],
)
def test_a_model_that_can_not_be_had(
    tmp_path: Path, embedded_bootstrap: str, model: str, words: tuple[str, ...]
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    settings = pipeline.settings()
    settings["agents"]["double"]["model"] = model
    if model.endswith(".onnx"):
        settings["agents"]["double"]["event"] = "SensorReading"
        settings["agents"]["double"]["model"] = {"name": model, "options": {"features": ["a"]}}
    (tmp_path / "notes.onnx").write_text("this is no ONNX file")
    (tmp_path / "broken.py").write_text("x = 1\nraise RuntimeError('broken')\n")
    (tmp_path / "stubborn.py").write_text(
        "from models.base import ModelError\n"
        "class Model:\n"
        "    def load(self, device): raise ModelError('weights.bin is gone: fetch it')\n"
        "    def predict_batch(self, batch): return batch\n"
    )
    (tmp_path / "clumsy.py").write_text(
        "class Model:\n"
        "    def load(self, device): open('weights.bin')\n"
        "    def predict_batch(self, batch): return batch\n"
    )
    if model.split(".py")[0] in ("./stubborn", "./broken", "./clumsy"):
        settings["agents"]["double"]["event"] = "SensorReading"
    pipeline.config.write_text(yaml.safe_dump(settings))
    assert_one_line(start(pipeline.config), *words)


def test_a_port_that_is_taken(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    settings = pipeline.settings()
    port = int(embedded_bootstrap.rsplit(":", 1)[1])
    settings["metrics"]["port"] = port
    pipeline.config.write_text(yaml.safe_dump(settings))
    assert_one_line(start(pipeline.config), str(port), "metrics.port")


def test_an_unknown_log_level(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    assert_one_line(start(pipeline.config, "--log-level", "LOUD"), "LOUD", "INFO")


def test_a_worker_imports_only_what_its_agents_need(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    """A sensor worker starts in about a second because torch and its like stay out."""
    config = tmp_path / "penstock.yaml"
    config.write_text(
        f"kafka: {{bootstrap.servers: '{embedded_bootstrap}'}}\n"
        "agents:\n  score: {input: light.in, output: light.out, model: robust_zscore}\n"
    )
    code = (
        "import pathlib, sys\n"
        "from agents.pipeline.file import load_pipeline\n"
        "from agents.worker import Worker\n"
        f"path = pathlib.Path({str(config)!r})\n"
        "Worker(load_pipeline(path), path.parent).load()\n"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'river', 'sklearn', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.kafka
def test_topics_create_makes_what_the_worker_misses(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    made = create_topics(
        pipeline.kafka, {pipeline.input: TopicSettings(), "made-now": TopicSettings()}
    )
    assert made == ["made-now"]
