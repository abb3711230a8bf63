"""The motion of boxes: a Kalman filter with constant velocity, for n boxes at once.

A box is measured as center x, center y, width / height, and height, in pixels. ByteTrack's filter
(that of SORT and DeepSORT) has no noise that joins two of these: so it falls apart into four
filters of position and velocity. Written in this way, it needs no matrices and gives the same bits
on every machine.

Source: Wojke et al., 2017, "Simple Online and Realtime Tracking with a Deep Association Metric",
arXiv:1703.07402, with the noise of ByteTrack's reference implementation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Standard deviations as shares of a box's height, and of the aspect, which has no unit.
_POSITION, _VELOCITY = 1 / 20, 1 / 160
_ASPECT, _ASPECT_VELOCITY, _MEASURED_ASPECT = 1e-2, 1e-5, 1e-1
_X, _Y, _RATIO, _HEIGHT = range(4)


@dataclass(frozen=True)
class Motion:
    """Estimates of n boxes, each array (n, 4): center x, center y, width / height, height."""

    position: Floats
    velocity: Floats
    """A frame."""
    position_variance: Floats
    covariance: Floats
    """Of position and velocity."""
    velocity_variance: Floats

    def __len__(self) -> int:
        return len(self.position)

    def rows(self, chosen: NDArray[np.int64]) -> Motion:
        """Return the estimates of some boxes."""
        return Motion(*(array[chosen] for array in self.arrays()))

    def arrays(self) -> tuple[Floats, ...]:
        """Return the arrays, in the order of the fields."""
        return (
            self.position,
            self.velocity,
            self.position_variance,
            self.covariance,
            self.velocity_variance,
        )


def begin(boxes: Floats) -> Motion:
    """Return estimates for boxes (n, 4), xyxy, that are seen for the first time."""
    measured = to_measured(boxes)
    position = 2 * _noise(measured, _POSITION, _ASPECT)
    velocity = 10 * _noise(measured, _VELOCITY, _ASPECT_VELOCITY)
    zeros = np.zeros_like(measured)
    return Motion(measured, zeros, position**2, zeros, velocity**2)


def join(first: Motion, second: Motion) -> Motion:
    """Return the estimates of both."""
    pairs = zip(first.arrays(), second.arrays(), strict=True)
    return Motion(*(np.concatenate(pair) for pair in pairs))


def predict(motion: Motion) -> Motion:
    """Return the estimates one frame later."""
    position_noise = _noise(motion.position, _POSITION, _ASPECT) ** 2
    velocity_noise = _noise(motion.position, _VELOCITY, _ASPECT_VELOCITY) ** 2
    variance, covariance = motion.position_variance, motion.covariance
    return Motion(
        motion.position + motion.velocity,
        motion.velocity,
        variance + 2 * covariance + motion.velocity_variance + position_noise,
        covariance + motion.velocity_variance,
        motion.velocity_variance + velocity_noise,
    )


def without_growth(motion: Motion, chosen: NDArray[np.bool_]) -> Motion:
    """Return the estimates, the chosen boxes with a height at rest: the unseen must not grow."""
    velocity = motion.velocity.copy()
    velocity[chosen, _HEIGHT] = 0.0
    return replace(motion, velocity=velocity)


def update(motion: Motion, boxes: Floats) -> Motion:
    """Return the estimates after their boxes (n, 4), xyxy, are seen."""
    noise = _noise(motion.position, _POSITION, _MEASURED_ASPECT) ** 2
    total = motion.position_variance + noise
    gain, velocity_gain = motion.position_variance / total, motion.covariance / total
    surprise = to_measured(boxes) - motion.position
    return Motion(
        motion.position + gain * surprise,
        motion.velocity + velocity_gain * surprise,
        motion.position_variance * (1 - gain),
        motion.covariance * (1 - gain),
        motion.velocity_variance - velocity_gain * motion.covariance,
    )


def to_measured(boxes: Floats) -> Floats:
    """Return boxes (n, 4), xyxy, as center x, center y, width / height, height."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    centers = (boxes[:, 2:] + boxes[:, :2]) / 2
    return np.column_stack([centers, sides[:, 0] / sides[:, 1], sides[:, 1]])


def to_boxes(motion: Motion) -> Floats:
    """Return the estimated boxes (n, 4), xyxy."""
    x, y, ratio, height = motion.position.T
    half_width, half_height = ratio * height / 2, height / 2
    return np.column_stack([x - half_width, y - half_height, x + half_width, y + half_height])


def _noise(position: Floats, share_of_height: float, aspect: float) -> Floats:
    """Return standard deviations (n, 4)."""
    noise = np.repeat(share_of_height * np.abs(position[:, _HEIGHT : _HEIGHT + 1]), 4, axis=1)
    noise[:, _RATIO] = aspect
    return np.maximum(noise, 1e-6)
