"""The four filters of position and velocity are the usual filter of eight numbers, in matrices."""

from __future__ import annotations

import numpy as np
import pytest

from models.tracking.kalman import Floats, begin, predict, to_boxes, to_measured, update


class MatrixFilter:
    """Constant velocity with white acceleration, as textbooks write it, for one box."""

    def __init__(self, measured: Floats) -> None:
        sides = measured[[2, 3, 2, 3]]
        self.mean = np.r_[measured, np.zeros(4)]
        self.covariance = np.diag(np.square(np.r_[sides / 20, 5 * sides]))

    def predict(self, seconds: float) -> None:
        sides = self.mean[[2, 3, 2, 3]]
        motion = np.eye(8) + seconds * np.eye(8, k=4)
        powers = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        self.mean = motion @ self.mean
        noise = np.kron(powers, np.diag(sides**2))
        self.covariance = motion @ self.covariance @ motion.T + noise

    def update(self, measured: Floats) -> None:
        noise = np.diag(np.square(self.mean[[2, 3, 2, 3]] / 20))
        seen = np.eye(4, 8)
        total = seen @ self.covariance @ seen.T + noise
        gain = self.covariance @ seen.T @ np.linalg.inv(total)
        self.mean = self.mean + gain @ (measured - seen @ self.mean)
        self.covariance = self.covariance - gain @ total @ gain.T


def test_it_equals_the_reference_in_matrices() -> None:
    dice = np.random.default_rng(3)
    boxes = np.array([[10.0, 20.0, 60.0, 90.0], [300.0, 40.0, 390.0, 80.0]])
    motion = begin(boxes)
    references = [MatrixFilter(measured) for measured in to_measured(boxes)]
    for _ in range(25):
        boxes = boxes + np.array([3.0, 1.0, 3.0, 1.0]) + dice.normal(0, 1, boxes.shape)
        seconds = float(dice.uniform(0.02, 0.3))
        motion = predict(motion, seconds)
        for reference in references:
            reference.predict(seconds)
        if dice.random() < 0.8:
            motion = update(motion, boxes)
            for reference, measured in zip(references, to_measured(boxes), strict=True):
                reference.update(measured)
        for row, reference in enumerate(references):
            ours = np.r_[motion.position[row], motion.velocity[row]]
            np.testing.assert_allclose(ours, reference.mean, rtol=1e-9, atol=1e-9)
            variance = np.r_[motion.position_variance[row], motion.velocity_variance[row]]
            np.testing.assert_allclose(variance, np.diag(reference.covariance), rtol=1e-9)


def test_boxes_become_themselves_again() -> None:
    boxes = np.array([[10.0, 20.0, 60.0, 90.0]])
    np.testing.assert_allclose(to_boxes(begin(boxes)), boxes)


@pytest.mark.parametrize("frames_per_second", [5, 30])
def test_a_new_box_is_found_where_its_first_two_frames_lead(frames_per_second: int) -> None:
    step = np.array([1.0, 0.0, 1.0, 0.0]) * 120 / frames_per_second  # 120 pixels a second
    box, seconds = np.array([[10.0, 20.0, 60.0, 50.0]]), 1 / frames_per_second
    motion = update(predict(begin(box), seconds), box + step)
    ahead = to_boxes(predict(motion, seconds))
    assert np.abs(ahead - (box + 2 * step)).max() < 3
