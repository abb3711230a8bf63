from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from agents.commands.broker import embedded_broker
from agents.commands.main import app
from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import make_store
from streams.state.snapshot import Snapshot, StateKey, StateStore, encode_snapshot


def write_pipeline(folder: Path, servers: str, store: str) -> Path:
    path = folder / "penstock.yaml"
    path.write_text(
        f"kafka: {{bootstrap.servers: '{servers}', group.id: states}}\n"
        f"state: {{store: '{store}'}}\n"
        "agents:\n"
        "  score: {input: readings, output: scores, model: robust_zscore}\n"
        "  detect: {input: frames, output: boxes, model: traffic_detector, codec: image}\n"
    )
    return path


def save(
    store: StateStore, partition: int, sequence: int, next_offset: int, base: int | None = None
) -> None:
    snapshot = Snapshot(
        agent="score", topic="readings", partition=partition, next_offset=next_offset,
        sequence=sequence, model="robust_zscore", model_version="1", learn_every=16,
        saved_at_ms=time.time_ns() // 1_000_000 - 60_000, state=os.urandom(1000),
        base=-1 if base is None else base,
    )  # fmt: skip
    key = StateKey("score", "readings", partition)
    store.save(key, sequence, encode_snapshot(snapshot), base)


def run(path: Path, *arguments: str, exit_code: int = 0) -> str:
    found = CliRunner().invoke(app, [*arguments, "-c", str(path)], env={})
    assert found.exit_code == exit_code, found.output
    return found.stdout if exit_code == 0 else found.stderr


@pytest.mark.parametrize("kind", ["topic", "folder"])
def test_list_show_and_reset(kind: str, tmp_path: Path) -> None:
    with embedded_broker() as broker:
        servers = broker.bootstrap_servers
        path = write_pipeline(tmp_path, servers, kind if kind == "topic" else f"{tmp_path}/states")
        made = json.loads(run(path, "topics", "create", "--json"))
        roles = {planned["topic"]: planned["role"] for planned in made["topics"]}
        assert roles.get("states.score.state") == ("state" if kind == "topic" else None)
        assert run(path, "state", "list").splitlines()[1:] == []
        store = make_store(load_pipeline(path, {}))
        assert store is not None
        save(store, 0, 7, 160)
        save(store, 0, 8, 304, base=8)
        save(store, 0, 9, 320, base=8)
        save(store, 3, 0, 0)
        commit(servers, 0, 350)

        header, first, last = (line.split("\t") for line in run(path, "state", "list").splitlines())
        row = dict(zip(header, first, strict=True))
        assert 60 <= int(row.pop("age").removesuffix(" s")) < 90
        assert int(row.pop("bytes").replace(",", "")) > 1000
        assert row == {
            "agent": "score", "partition": "readings:0", "covers": "320", "committed": "350",
            "catch-up": "30", "kind": "changes", "model": "robust_zscore 1", "state": "ok",
        }  # fmt: skip
        assert last[header.index("kind")] == "whole"
        assert last[1:5] == ["readings:3", "0", "none", "0"]

        shown = json.loads(run(path, "state", "show", "score", "--partition", "0", "--json"))
        assert [(s["sequence"], s["covers"], s["catch_up"], s["is_changes"]) for s in shown] == [
            (9, 320, 30, True),
            (8, 304, 46, False),
            (7, 160, 190, False),
        ]
        reset = run(path, "state", "reset", "score", "--partition", "0", "--yes")
        assert reset == "3 snapshots deleted\n"
        assert "readings:0" not in run(path, "state", "list")
        assert "readings:3" in run(path, "state", "list")


def commit(servers: str, partition: int, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "states"})
    consumer.commit(offsets=[TopicPartition("readings", partition, offset)], asynchronous=False)
    consumer.close()


def test_wrong_requests_are_errors_of_one_line(tmp_path: Path) -> None:
    path = write_pipeline(tmp_path, "127.0.0.1:1", "none")
    assert "state.store is none" in run(path, "state", "list", exit_code=2)
    wrong = run(path, "state", "reset", "detect", exit_code=2)
    assert "no agent detect with an online model: expected one of score" in wrong
    path = write_pipeline(tmp_path, "127.0.0.1:1", "nosuch://x")
    assert "state.store nosuch://x" in run(path, "state", "list", exit_code=2)
