"""The command's refusals and its plan on the embedded broker; moves run on Kafka elsewhere."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.broker import embedded_broker
from agents.commands.main import app
from agents.commands.rekey.partitioners import partition_of
from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import make_store
from models.anomaly.robust_zscore import RobustZScore
from schemas import SensorReading
from streams.state.snapshot import Snapshot, StateKey, encode_snapshot

SOURCES = [f"pump-{i}" for i in range(20)]


def write_pipeline(folder: Path, servers: str, store: str = "topic") -> Path:
    path = folder / "penstock.yaml"
    path.write_text(
        f"kafka: {{bootstrap.servers: '{servers}', group.id: states}}\n"
        f"state: {{store: '{store}'}}\n"
        "agents:\n"
        "  score: {input: readings, output: scores, model: robust_zscore}\n"
        "  cluster: {input: clicks, output: groups, model: online_kmeans}\n"
    )
    return path


def run(path: Path, *arguments: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, ["state", "rekey", *arguments, "-c", str(path)], env={})
    assert done.exit_code == exit_code, done.output
    return done.stdout if exit_code == 0 else done.stderr


def learn(config: Path, spread: str) -> None:
    """Store what models of the four partitions have learned."""
    store = make_store(load_pipeline(config, {}))
    assert store is not None
    home = partition_of("murmur2", 4)
    for partition in range(4):
        held = [
            name
            for at, name in enumerate(SOURCES)
            if (home(name.encode()) if spread == "murmur2" else at % 4) == partition
        ]
        model = RobustZScore()
        model.learn_batch([SensorReading(source_id=name, values={"x": 1.0}) for name in held])
        snapshot = Snapshot(
            agent="score", topic="readings", partition=partition, next_offset=0, sequence=0,
            model="robust_zscore", model_version=model.version, learn_every=16,
            saved_at_ms=time.time_ns() // 1_000_000, state=model.snapshot(),
        )  # fmt: skip
        store.save(StateKey("score", "readings", partition), 0, encode_snapshot(snapshot))
    store.close()


def test_a_plan_for_more_partitions_changes_nothing(tmp_path: Path) -> None:
    with embedded_broker() as broker:
        path = write_pipeline(tmp_path, broker.bootstrap_servers)
        CliRunner().invoke(app, ["topics", "create", "-c", str(path)], env={})
        learn(path, "murmur2")
        report = json.loads(run(path, "--agent", "score", "--partitions", "8", "--json"))
        assert report["notes"] == [
            "readings: 20 of 20 sources lie where murmur2 puts their source_id among 4 or 8 "
            "partitions"
        ]
        lines = report["partitions"]
        assert len(lines) == 8
        assert sum(line["sources"] for line in lines) == 20
        assert sum(line["after"] for line in lines) == 20
        home = partition_of("murmur2", 8)
        moving = sum(home(name.encode()) >= 4 for name in SOURCES)
        assert sum(line["leave"] for line in lines[:4]) == moving
        assert sum(line["arrive"] for line in lines[4:]) == moving
        (obstacle,) = report["obstacles"]
        assert "readings has 4 partitions: add the others first" in obstacle
        assert not report["is_applied"]
        text = run(path, "--agent", "score", "--partitions", "8", "--apply", exit_code=2)
        assert "not possible now: readings has 4 partitions" in text
        assert json.loads(run(path, "--agent", "score", "--json"))["obstacles"] == []


def test_sources_that_do_not_lie_by_their_id_are_refused(tmp_path: Path) -> None:
    with embedded_broker() as broker:
        path = write_pipeline(tmp_path, broker.bootstrap_servers)
        CliRunner().invoke(app, ["topics", "create", "-c", str(path)], env={})
        learn(path, "in turn")
        refused = run(path, "--agent", "score", exit_code=2)
        assert "its records are not partitioned by source_id" in refused
        assert "--partitioner" in refused
        asked = json.loads(run(path, "--agent", "score", "--partitioner", "murmur2", "--json"))
        assert asked["notes"][0].endswith("moved by murmur2 as asked")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agent", "cluster"], "model online_kmeans learns one state from all sources"),
        (["--agent", "nobody"], "no agent nobody with an online model: expected one of score, clu"),
        (["--agent", "score", "--partitioner", "random"], "expected auto or one of murmur2, cons"),
    ],
)
def test_wrong_requests_are_errors_of_one_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in run(write_pipeline(tmp_path, "127.0.0.1:1"), *arguments, exit_code=2)


def test_without_a_store_there_is_nothing_to_move(tmp_path: Path) -> None:
    path = write_pipeline(tmp_path, "127.0.0.1:1", "none")
    assert "state.store is none" in run(path, "--agent", "score", exit_code=2)
