"""A worker whose model raises PyTorch's out-of-memory error: batches get smaller."""

from __future__ import annotations

from pathlib import Path

from tests.integration.pipelines import Pipeline, number

#: Raises for more than ten events, and for any batch with 99.
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


def test_batches_get_smaller_and_one_record_is_refused(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    (tmp_path / "doubling.py").write_text(_MODEL)
    count = pipeline.produce(number(i) for i in range(1000))
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        metrics = {name: value for (name, _), value in worker.metrics().items()}
        worker.stop()
    answers = pipeline.answered()
    assert sorted(y for ys in answers.values() for y in ys) == [
        2.0 * x for x in range(1000) if x != 99
    ]
    assert list(pipeline.refused().values()) == [["out_of_memory"]]
    assert 5 <= metrics["penstock_batch_size_limit"] <= 10
    # At most three for batches of 64, 32 and 16; five for 99: its batch, its halves, alone.
    assert 1 <= metrics["penstock_out_of_memory_total"] <= 3 + 5
    warnings = [x for x in worker.log_text().splitlines() if "did not fit" in x]
    assert 1 <= len(warnings) <= 3
