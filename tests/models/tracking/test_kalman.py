"""The four filters of position and velocity are ByteTrack's filter of eight numbers."""

from __future__ import annotations

import numpy as np

from models.tracking.kalman import Floats, begin, predict, to_boxes, to_measured, update


class MatrixFilter:
    """ByteTrack's filter as its reference implementation writes it, for one box."""

    def __init__(self, measured: Floats) -> None:
        h = measured[3]
        std = [h / 10, h / 10, 2e-2, h / 10, h / 16, h / 16, 1e-4, h / 16]
        self.mean = np.r_[measured, np.zeros(4)]
        self.covariance = np.diag(np.square(std))
        self.motion = np.eye(8) + np.eye(8, k=4)

    def predict(self) -> None:
        h = self.mean[3]
        std = [h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]
        self.mean = self.motion @ self.mean
        self.covariance = self.motion @ self.covariance @ self.motion.T + np.diag(np.square(std))

    def update(self, measured: Floats) -> None:
        h = self.mean[3]
        noise = np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))
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
        motion = predict(motion)
        for reference in references:
            reference.predict()
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
