"""The motion of boxes: a Kalman filter with constant velocity, for n boxes at once.

A box is measured as center x, center y, width and height, in pixels. No noise joins two of these:
so the filter falls apart into four filters of position and velocity. Written in this way, it needs
no matrices and gives the same bits on every machine.

Time is in seconds, so that a camera of 10 frames a second, or one that drops frames, is followed as
well as one of 30. A box that is new may move by several times its own size a second: with the small
first variance of SORT and ByteTrack, which were tuned for pedestrians at 30 frames a second, the
filter takes many frames to learn that a car is fast, and loses it.

Source: Wojke et al., 2017, "Simple Online and Realtime Tracking with a Deep Association Metric",
arXiv:1703.07402; width and height as in BoT-SORT (Aharon et al., 2022, arXiv:2206.14651); noise of
the velocity as white acceleration (Bar-Shalom et al., 2001, "Estimation with Applications to
Tracking and Navigation", section 6.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Standard deviation of a measured side or center, as a share of the box's width or height.
_MEASURED = 1 / 20
#: Of the velocity of a new box, in widths or heights a second, and of how it changes in a second.
_NEW_VELOCITY, _ACCELERATION = 5.0, 1.0
_WIDTH = 2


@dataclass(frozen=True)
class Motion:
    """Estimates of n boxes, each array (n, 4): center x, center y, width, height."""

    position: Floats
    velocity: Floats
    """Pixels a second."""
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
    sides, zeros = _sides(measured), np.zeros_like(measured)
    return Motion(measured, zeros, (_MEASURED * sides) ** 2, zeros, (_NEW_VELOCITY * sides) ** 2)


def join(first: Motion, second: Motion) -> Motion:
    """Return the estimates of both."""
    pairs = zip(first.arrays(), second.arrays(), strict=True)
    return Motion(*(np.concatenate(pair) for pair in pairs))


def predict(motion: Motion, seconds: float) -> Motion:
    """Return the estimates some time later."""
    noise = (_ACCELERATION * _sides(motion.position)) ** 2
    variance, covariance = motion.position_variance, motion.covariance
    velocity_variance = motion.velocity_variance
    return Motion(
        motion.position + seconds * motion.velocity,
        motion.velocity,
        variance
        + 2 * seconds * covariance
        + seconds**2 * velocity_variance
        + seconds**3 / 3 * noise,
        covariance + seconds * velocity_variance + seconds**2 / 2 * noise,
        velocity_variance + seconds * noise,
    )


def without_growth(motion: Motion, chosen: NDArray[np.bool_]) -> Motion:
    """Return the estimates, the chosen boxes with sides at rest: the unseen must not grow."""
    velocity = motion.velocity.copy()
    velocity[chosen, _WIDTH:] = 0.0
    return replace(motion, velocity=velocity)


def update(motion: Motion, boxes: Floats) -> Motion:
    """Return the estimates after their boxes (n, 4), xyxy, are seen."""
    total = motion.position_variance + (_MEASURED * _sides(motion.position)) ** 2
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
    """Return boxes (n, 4), xyxy, as center x, center y, width, height."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    return np.concatenate([(boxes[:, 2:] + boxes[:, :2]) / 2, sides], axis=1)


def to_boxes(motion: Motion) -> Floats:
    """Return the estimated boxes (n, 4), xyxy."""
    center, half = motion.position[:, :_WIDTH], motion.position[:, _WIDTH:] / 2
    return np.concatenate([center - half, center + half], axis=1)


def _sides(position: Floats) -> Floats:
    """Return for each of the four numbers the side (n, 4) that noise is a share of."""
    return np.maximum(np.tile(position[:, _WIDTH:], 2), 1e-3)
