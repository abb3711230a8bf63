"""Networks that can't take a batch are found at load, whatever their file declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.detection.networks import Part, Signature
from models.detection.probe import probe
from models.transfer import make_transfer

Run = Callable[[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]


class FunctionNetwork:
    """A network that is a function of pixels (B, 3, H, W)."""

    def __init__(self, run: Run, batch_size: int | None = None) -> None:
        self.signature = Signature(batch_size, 8, 8, ["output"])
        self.transfer = make_transfer("cpu")
        self._run = run

    def upload(self, pixels: Any) -> Any:
        return pixels

    def run(self, uploaded: Any) -> list[Part]:
        return [Part(self._run(uploaded), len(uploaded))]

    def run_one_by_one(self) -> None:
        raise AssertionError("the probe only looks")

    def close(self) -> None:
        raise AssertionError("the probe only looks")


def rows_of_means(pixels: Any) -> Any:
    """Return (B, 4, 2): sums that differ from row to row and picture to picture."""
    means = 100 * pixels.mean(axis=(1, 2, 3))[:, None, None]
    return means + np.arange(8, dtype=np.float32).reshape(4, 2)


def reason(run: Run, batch_size: int | None = None) -> str:
    return probe(FunctionNetwork(run, batch_size), 8, 8).one_by_one


def test_a_network_whose_rows_are_those_of_single_pictures_takes_batches() -> None:
    assert reason(lambda pixels: [rows_of_means(pixels)]) == ""


def test_equal_boxes_in_another_order_are_no_difference() -> None:
    def run(pixels: Any) -> Any:
        rows = rows_of_means(pixels)
        return [rows[:, ::-1] if len(pixels) > 1 else rows]

    assert reason(run) == ""


def test_not_a_number_is_no_difference() -> None:
    assert reason(lambda pixels: [np.full((len(pixels), 2), np.nan)]) == ""


def fails(pixels: Any) -> Any:
    if len(pixels) > 1:
        raise RuntimeError("Reshape: 2 does not fit 1\nmore")
    return [rows_of_means(pixels)]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (fails, "fails on two pictures (Reshape: 2 does not fit 1)"),
        (lambda pixels: [rows_of_means(pixels)[0]], "its outputs have no batch axis"),
        (lambda pixels: [rows_of_means(pixels)[:1]], "its outputs do not have two rows"),
        (
            lambda pixels: [rows_of_means(np.zeros_like(pixels) + pixels.mean())],
            "its outputs for a picture depend on the other pictures",
        ),
    ],
)
def test_other_networks_are_run_one_by_one_for_a_reason(run: Run, message: str) -> None:
    assert message in reason(run)


def test_a_fixed_batch_of_one_is_a_reason_and_of_more_is_none() -> None:
    assert "fixes the batch size at 1" in reason(lambda pixels: [rows_of_means(pixels)], 1)

    def padded(pixels: Any) -> Any:
        rows = rows_of_means(pixels)
        return [np.concatenate([rows, np.zeros((4 - len(rows), 4, 2), np.float32)])]

    assert reason(padded, 4) == ""
    assert probe(FunctionNetwork(padded, 4), 8, 8).samples[0][0].shape == (1, 4, 2)


def test_samples_are_those_of_single_pictures() -> None:
    samples = probe(FunctionNetwork(lambda pixels: [rows_of_means(pixels)]), 8, 8).samples
    assert [sample[0].shape for sample in samples] == [(1, 4, 2)] * 2
    assert not np.array_equal(samples[0][0], samples[1][0])
