"""A worker that can't start prints one error line, without a traceback; its exit code is 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.integration.outcomes import line_with
from tests.integration.pipelines import Pipeline
from tests.penstock_command import run_penstock
from tests.waiting import wait_until


def start_worker(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run_penstock("worker", "-c", str(config), *options)


def assert_one_error_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The command ended with exit code 2 and one error line with these words, no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    line = line_with(done.stderr, "penstock: error:")
    for word in words:
        assert word in line


@pytest.mark.kafka
def test_a_missing_topic(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    settings = pipeline.settings()
    settings["agents"]["double"]["output"] = "no-such-topic"
    pipeline.config.write_text(yaml.safe_dump(settings))
    assert_one_error_line(start_worker(pipeline.config), "no-such-topic", "penstock topics create")


def test_an_unreachable_broker(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    settings = pipeline.settings()
    settings["kafka"]["bootstrap.servers"] = "127.0.0.1:1"
    pipeline.config.write_text(yaml.safe_dump(settings))
    assert_one_error_line(start_worker(pipeline.config), "127.0.0.1:1", "refused")


def test_exactly_once_on_the_embedded_broker(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    pipeline.config.write_text(yaml.safe_dump({**pipeline.settings(), "guarantee": "exactly_once"}))
    words = ("exactly_once needs Apache Kafka", "embedded", "at_least_once")
    assert_one_error_line(start_worker(pipeline.config), *words)
    checked = run_penstock("check", "-c", str(pipeline.config))
    assert checked.returncode == 2, checked.stderr
    assert words[0] in checked.stderr


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
def test_a_model_that_does_not_load(
    tmp_path: Path, embedded_bootstrap: str, model: str, words: tuple[str, ...]
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    settings = pipeline.settings()
    settings["agents"]["double"]["model"] = model
    if model.endswith(".onnx"):
        settings["agents"]["double"]["event"] = "SensorReading"
        settings["agents"]["double"]["model"] = {"name": model, "options": {"features": ["a"]}}
    (tmp_path / "notes.onnx").write_text("this is not an ONNX file")
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
    assert_one_error_line(start_worker(pipeline.config), *words)


def test_a_metrics_port_that_is_in_use(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    settings = pipeline.settings()
    port = int(embedded_bootstrap.rsplit(":", 1)[1])
    settings["metrics"]["port"] = port
    pipeline.config.write_text(yaml.safe_dump(settings))
    assert_one_error_line(start_worker(pipeline.config), str(port), "metrics.port")


def test_an_unknown_log_level(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    assert_one_error_line(start_worker(pipeline.config, "--log-level", "LOUD"), "LOUD", "INFO")


@pytest.mark.parametrize("options", [(), ("--processes", "2")])
def test_a_signal_while_the_models_load(
    tmp_path: Path, embedded_bootstrap: str, options: tuple[str, ...]
) -> None:
    """It ends at once with exit code 0: it has begun nothing that would need to be finished."""
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    settings = pipeline.settings()
    settings["agents"]["double"] |= {"model": "./slow.py:Model", "event": "SensorReading"}
    pipeline.config.write_text(yaml.safe_dump(settings))
    (tmp_path / "slow.py").write_text(
        "import time\n"
        "class Model:\n"
        "    def load(self, device):\n"
        f"        open({str(tmp_path / 'loading')!r}, 'w').close()\n"
        "        time.sleep(100)\n"
        "    def predict_batch(self, batch): return batch\n"
    )
    with pipeline.worker(*options) as worker:
        wait_until("a model loads", (tmp_path / "loading").exists)
        worker.stop()
        assert "stopped before the worker began" in worker.log_text()


def test_a_worker_imports_only_what_its_agents_need(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    """A sensor worker starts in about a second because it imports no torch or similar library."""
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
def test_create_topics_makes_only_missing_topics(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    created = create_topics(
        pipeline.kafka, {pipeline.input: TopicSettings(), "made-now": TopicSettings()}
    )
    assert created == ["made-now"]
