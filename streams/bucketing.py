"""Events sorted into buckets by what the model says that they measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from schemas import InputError
from streams.batching import Chunk
from streams.predicting import predict_each
from streams.settings import BatchSettings

Measure: TypeAlias = Callable[[Sequence[Any]], Sequence[int]]

#: What an event measures at most, so that sums and products of measures stay exact.
_MAX_MEASURE = 2**40


@dataclass(slots=True)
class Measured:
    """A chunk's events by bucket, and those that the model can't measure."""

    chunks: list[tuple[int, Chunk[Any]]] = field(default_factory=list)
    failed: list[tuple[int, InputError]] = field(default_factory=list)


class Sorter:
    """Measures chunks and sorts them into buckets; thread-safe if the model's method is."""

    def __init__(self, settings: BatchSettings, measure: Measure) -> None:
        self._bounds = np.asarray(settings.buckets, dtype=np.int64)
        self._is_weighed = settings.max_batch_weight is not None
        self._measure = measure

    def sort(self, chunk: Chunk[Any]) -> Measured:
        """Return the chunk's events in a chunk for each bucket, rows ascending; never raises."""
        measured = Measured()
        try:
            sizes = _checked(self._measure(chunk.events), len(chunk.events))
        except Exception:  # some event can't be measured: find out which
            chunk, sizes = self._measure_each(chunk, measured.failed)
        buckets = np.searchsorted(self._bounds, sizes, side="left")
        if self._is_weighed:
            chunk.weights = sizes.tolist()
        present = np.unique(buckets).tolist()
        for bucket in present:
            own = chunk
            if len(present) > 1:
                own = chunk.pick(np.flatnonzero(buckets == bucket).tolist())
            measured.chunks.append((bucket, own))
        return measured

    def _measure_each(
        self, chunk: Chunk[Any], failed: list[tuple[int, InputError]]
    ) -> tuple[Chunk[Any], NDArray[np.int64]]:
        answers = predict_each(
            lambda events: _checked(self._measure(events), len(events)).tolist(), chunk.events
        )
        for row, answer in zip(chunk.rows, answers, strict=True):
            if isinstance(answer, InputError):
                failed.append((row, answer))
        good = [i for i, answer in enumerate(answers) if not isinstance(answer, InputError)]
        sizes = np.asarray([answers[i] for i in good], dtype=np.int64)
        return chunk.pick(good), sizes


def _checked(sizes: Sequence[int], num_events: int) -> NDArray[np.int64]:
    """Return what a model measured as whole numbers, or raise `ValueError`."""
    found = np.asarray(sizes)
    if found.shape != (num_events,):
        raise ValueError(
            f"{num_events} events in, {len(sizes)} measures out: measure_batch must return one "
            "whole number an event, in order"
        )
    if found.dtype.kind not in "iu" or found.min(initial=0) < 0:
        raise ValueError("measure_batch must return whole numbers, 0 or more")
    whole: NDArray[np.int64] = np.minimum(found.astype(np.uint64), _MAX_MEASURE).astype(np.int64)
    return whole
