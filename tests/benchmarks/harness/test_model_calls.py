"""`penstock bench models`: its micro-batches are those of a live stream."""

from __future__ import annotations

import gc
import json
from collections import Counter, defaultdict

import pytest
from typer.testing import CliRunner

from agents.commands.main import app
from benchmarks.harness.model_calls import MODELS, CallsPlan, _micro_batches, measure_calls

PLAN = CallsPlan("robust_zscore", 60, 2, 4, (5, 30), 1000)


def test_micro_batches_mix_partitions_and_continue_their_offsets() -> None:
    sizes: list[int] = []
    offsets: dict[int, list[int]] = defaultdict(list)
    sources: Counter[str] = Counter()
    for batch in _micro_batches(PLAN):
        sizes.append(len(batch))
        for chunk in batch.chunks:
            offsets[chunk.batch.tp.partition] += chunk.batch.offsets
        sources.update(event.source_id for event in batch.events)
    assert sum(sizes) == 1000
    assert min(sizes[:-1]) >= 5
    assert max(sizes) <= 30
    assert len(offsets) == 4
    for seen in offsets.values():
        assert seen == list(range(len(seen)))
    assert len(sources) == 60
    assert set(sources.values()) == {1000 // 60, 1000 // 60 + 1}


@pytest.mark.parametrize("model", MODELS)
def test_all_records_are_answered_and_learned(model: str) -> None:
    thresholds = gc.get_threshold()
    result = measure_calls(CallsPlan(model, 60, 2, 4, (5, 30), 3000))
    assert result.records == 3000
    assert 3000 / 30 <= result.calls <= 3000 / 5
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms
    assert result.cold_per_second > 0 < result.warm_per_second
    assert result.snapshot_bytes > 0
    assert gc.get_threshold() == thresholds


def test_the_command_prints_a_row_for_each_model_and_refuses_others() -> None:
    arguments = ["bench", "models", "--records", "1000", "--sources", "50", "--json"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert [result["model"] for result in json.loads(run.stdout)] == list(MODELS)
    for wrong in (["--model", "mean"], ["--batch", "7"], ["--batch", "9,3"], ["--option", "x"]):
        run = CliRunner().invoke(app, ["bench", "models", *wrong])
        assert run.exit_code != 0


def test_options_reach_the_model() -> None:
    small = measure_calls(CallsPlan("robust_zscore", 60, 2, 4, (5, 30), 3000, {"window": 32}))
    large = measure_calls(CallsPlan("robust_zscore", 60, 2, 4, (5, 30), 3000))
    assert small.snapshot_bytes < large.snapshot_bytes
    arguments = ["bench", "models", "--model", "robust_zscore", "--records", "1000", "--json"]
    run = CliRunner().invoke(app, [*arguments, "--sources", "50", "--option", "window=32"])
    assert run.exit_code == 0, run.output
