"""Malformed records through a real worker: no crash, no loss, no leak."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from tests.faults.fuzzing import Fuzzed, resident_bytes, streams_of
from tests.faults.malformed import CODECS

SEED = 20_261
#: How much a worker may grow after its warm-up, per record: far below any record's size.
_LEAK_BYTES_PER_RECORD = 100


def check_outcomes(pipeline: Fuzzed, accounts: Counter[str]) -> Counter[str]:
    """Each record has one outcome, and the worker counted the same ones."""
    values = pipeline.published.values
    outcomes = pipeline.outcomes()
    assert set(outcomes) <= set(values)
    repeated = {place: reasons for place, reasons in outcomes.items() if len(reasons) > 1}
    assert not repeated, f"more than one outcome: {repeated}"
    tombstones = {place for place, value in values.items() if value is None}
    assert set(values) - set(outcomes) == tombstones
    counts = Counter(reasons[0] for reasons in outcomes.values())
    assert accounts["in"] == len(values)
    assert accounts["filtered"] == len(tombstones)
    assert accounts["answered"] == counts["answered"]
    assert accounts["dead_lettered"] == len(outcomes) - counts["answered"]
    assert "model_error" not in counts
    assert "unencodable_result" not in counts
    return counts


@pytest.mark.slow
def test_some_malformed_records_of_every_codec(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Fuzzed(tmp_path, embedded_bootstrap)
    print(f"seed {SEED}")
    pipeline.publish_round(streams_of(SEED), 1_500)
    with pipeline.worker() as worker:
        worker.await_ready()
        accounts = pipeline.await_all(worker)
        worker.stop()
        assert "Traceback" not in worker.log_text()
    print(check_outcomes(pipeline, accounts))


@pytest.mark.kafka
@pytest.mark.faults
def test_two_hundred_thousand_malformed_records(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Fuzzed(tmp_path, kafka_bootstrap)
    streams, rounds, each = streams_of(SEED), 10, 4_050
    print(f"seed {SEED}")
    resident = []
    with pipeline.worker() as worker:
        worker.await_ready()
        pipeline.publish_huge()
        for _ in range(rounds):
            pipeline.publish_round(streams, each)
            accounts = pipeline.await_all(worker)
            resident.append(resident_bytes(worker))
        print([f"{size / 1e6:.1f} MB" for size in resident])
        worker.stop()
        assert "Traceback" not in worker.log_text()
    assert len(pipeline.published.values) > 200_000
    # The first half warms up: caches fill, online models meet their sources.
    half = rounds // 2
    # Medians: a leak grows with each round, an arena that the allocator adds does not.
    gained = median(resident[half:]) - median(resident[:half])
    assert gained < _LEAK_BYTES_PER_RECORD * each * half * len(CODECS)
    print(check_outcomes(pipeline, accounts))
