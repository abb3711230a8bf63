"""Replay of dead letters: a record that a fixed model can answer is answered and counted once."""

from __future__ import annotations

import json
import os
from pathlib import Path

from agents.commands.audit import AuditOptions, audit_pipeline
from agents.commands.dlq import Selection, read_letters, replay
from agents.pipeline.file import load_pipeline
from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_until


def test_a_fixed_model_answers_replayed_records(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    values = [number(i) for i in range(10, 20)]
    values[5] = b"{bad"
    count = pipeline.produce(values)
    settings = load_pipeline(pipeline.config, os.environ)
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        worker.stop()
    before = audit_pipeline(settings, AuditOptions(is_drained=True)).agent("double")
    assert (before.answered, before.dead_lettered) == (count - 2, 2)

    code = tmp_path / "doubling.py"
    code.write_text(code.read_text().replace("event.x == 13", "event.x == -1"))
    assert replay(settings, Selection()).num_replayed == 2
    with pipeline.worker() as worker:
        wait_until(
            "the audit proves the run",
            lambda: audit_pipeline(settings, AuditOptions(is_drained=True)).is_proven,
        )
        worker.await_drained()
        accounts = worker.accounts()
        worker.stop()
    # The worker counts a replayed record as one more; the audit knows which record it repeats.
    assert (accounts["in"], accounts["answered"], accounts["dead_lettered"]) == (2, 1, 1)
    after = audit_pipeline(settings, AuditOptions(is_drained=True)).agent("double")
    assert after.is_proven, after.culprits
    assert (after.records, after.answered, after.dead_lettered) == (count, count - 1, 1)
    assert (after.replays, after.settled, after.repeats) == (2, 1, 0)
    letters = list(read_letters(settings))
    assert [(x.details.reason, x.num_replays) for x in letters if x.state == "open"] == [
        ("decode_error", 1)
    ]
    answers = [json.loads(m.value() or b"") for m in pipeline.read(pipeline.output)]
    assert [a["y"] for a in answers].count(26) == 1
    (answer,) = (a for a in answers if a["y"] == 26)
    assert answer["event_time_ms"] == 1_700_000_000_000
