"""A worker whose device runs out of memory: PyTorch's own exception, raised by a user's model."""

from __future__ import annotations

from pathlib import Path

from tests.integration.running import Pipeline, number

#: Has memory for ten events, never for 99.
_MODEL = """
import torch
from schemas import Event

class Number(Event, frozen=True, kw_only=True):
    x: float

class Doubling:
    event_type = Number

    def __init__(self, batch_seconds=0.0):
        pass

    def prepare_batch(self, batch):
        return [event.x for event in batch]

    def predict_prepared(self, numbers):
        if len(numbers) > 10 or 99 in numbers:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return [{"y": 2 * x} for x in numbers]
"""


def test_smaller_batches_and_nothing_lost(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    (tmp_path / "doubling.py").write_text(_MODEL)
    count = pipeline.produce(number(i) for i in range(1000))
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        found = {name: value for (name, _), value in worker.metrics().items()}
        assert worker.stop() == 0, worker.log.read_text()
    answers = pipeline.answered()
    assert sorted(y for ys in answers.values() for y in ys) == [
        2.0 * x for x in range(1000) if x != 99
    ]
    assert list(pipeline.refused().values()) == [["out_of_memory"]]
    assert 5 <= found["penstock_batch_size_limit"] <= 10
    # Of 64, 32 and 16 at most; then for the one event: of its batch, its halves, and alone.
    assert 1 <= found["penstock_out_of_memory_total"] <= 3 + 5
    warnings = [x for x in worker.log.read_text().splitlines() if "did not fit" in x]
    assert 1 <= len(warnings) <= 3
