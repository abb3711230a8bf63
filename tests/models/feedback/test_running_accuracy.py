"""Recent labels count more."""

from __future__ import annotations

from models.feedback.running_accuracy import RunningAccuracy


def test_the_share_follows_a_change_within_its_window() -> None:
    accuracy = RunningAccuracy(100)
    for _ in range(1000):
        accuracy.add(True)
    assert accuracy.num_right == accuracy.num_labels
    assert 99 < accuracy.num_labels <= 100
    for _ in range(100):
        accuracy.add(False)
    assert 0.3 < accuracy.num_right / accuracy.num_labels < 0.4
