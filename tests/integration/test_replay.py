"""A dead letter's way back: refused by a model, replayed once it is mended, accounted once."""

from __future__ import annotations

import json
import os
from pathlib import Path

from agents.commands.audit import AuditOptions, audit_pipeline
from agents.commands.dlq import Selection, read_letters, replay
from agents.pipeline.file import load_pipeline
from tests.integration.running import Pipeline, number, until


def test_what_a_mended_model_can_answer(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    values = [number(i) for i in range(10, 20)]
    values[5] = b"{bad"
    count = pipeline.produce(values)
    settings = load_pipeline(pipeline.config, os.environ)
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        assert worker.stop() == 0, worker.log.read_text()
    before = audit_pipeline(settings, AuditOptions(is_drained=True)).agent("double")
    assert (before.answered, before.dead_lettered) == (count - 2, 2)

    code = tmp_path / "doubling.py"
    code.write_text(code.read_text().replace("event.x == 13", "event.x == -1"))
    assert replay(settings, Selection()).num_replayed == 2
    with pipeline.worker() as worker:
        until(lambda: audit_pipeline(settings, AuditOptions(is_drained=True)).is_proven)
        until(lambda: worker.accounts()["in_flight"] == 0)
        accounts = worker.accounts()
        assert worker.stop() == 0, worker.log.read_text()
    # To the worker a replayed record is one more; the audit knows whose it is.
    assert (accounts["in"], accounts["answered"], accounts["dead_lettered"]) == (2, 1, 1)
    found = audit_pipeline(settings, AuditOptions(is_drained=True)).agent("double")
    assert found.is_proven, found.culprits
    assert (found.records, found.answered, found.dead_lettered) == (count, count - 1, 1)
    assert (found.replays, found.settled, found.repeats) == (2, 1, 0)
    letters = list(read_letters(settings))
    assert [(x.details.reason, x.num_replays) for x in letters if x.state == "open"] == [
        ("decode_error", 1)
    ]
    answers = [json.loads(m.value() or b"") for m in pipeline.read(pipeline.output)]
    assert [a["y"] for a in answers].count(26) == 1
    (answer,) = (a for a in answers if a["y"] == 26)
    assert answer["event_time_ms"] == 1_700_000_000_000
