"""One source of `deep_autoencoder`: its window, its network, and the vectors to train it on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.source_model import Scored
from models.anomaly.source_window import SourceWindow
from models.anomaly.stacked_autoencoders import Autoencoders, Network, Shape, new_network
from schemas import SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Values of a vector if the window is automatic.
_NUM_VALUES = 64
#: The code of an automatic width has a value for so many of the vector.
_VALUES_PER_CODE = 4
#: Vectors of a training step.
_BATCH = 64
#: The first network is trained without the last fifth of the vectors, whose error is then usual.
_HELD_OUT = 5
#: Weight of the errors of new vectors in the usual error, and the least usual error (squared).
_ERROR_RATE, _LEAST_ERROR = 0.1, 0.01


class Plan(NamedTuple):
    """The options that a source's state depends on."""

    window: int
    hidden: int
    code: int
    memory: int
    first_steps: int
    steps: int
    train_every: int
    learning_rate: float
    min_values: int
    max_channels: int
    seed: int


class Training(NamedTuple):
    """A training that is due."""

    shape: Shape
    vectors: Floats
    """(n, D)"""
    batches: Ints
    """(steps, B) which vectors each step is on."""
    is_first: bool


class AutoencoderSource:
    """Learns in two parts: `learn` collects vectors, `adopt` takes the network trained on them."""

    def __init__(self, plan: Plan, networks: Autoencoders) -> None:
        self.plan, self.networks = plan, networks
        self._forget()

    def _forget(self) -> None:
        plan = self.plan
        self.window = SourceWindow(plan.window, _NUM_VALUES, plan.min_values, plan.max_channels)
        self.network = Network(np.zeros(0), np.zeros(0), np.zeros(0), 0)
        self.usual: Floats = np.zeros((0, 0))
        """(n <= memory, D) usual vectors, oldest first."""
        self.num_new = 0
        """How many of them came since the last training."""
        self.error = 0.0
        """Mean square error of usual vectors before they were learned."""

    @property
    def shape(self) -> Shape:
        """The shape of the source's network."""
        size = self.window.length * len(self.window.channels)
        return Shape(size, self.plan.hidden, self.plan.code or max(size // _VALUES_PER_CODE, 1))

    @property
    def total(self) -> int:
        """Readings learned so far."""
        return self.window.total

    def score(self, readings: Sequence[SensorReading]) -> Scored | None:
        """Return the root mean square error (n,) relative to the usual one."""
        if self.network.steps == 0:
            return None
        channels = self.window.channels
        vectors = self.window.vectors(readings)
        squares = self.networks.errors(self.shape, self.network, vectors) ** 2
        raw = np.sqrt(squares.mean(axis=1) / (self.error + _LEAST_ERROR))
        parts = squares.reshape(len(readings), -1, len(channels)).sum(axis=1)
        return Scored(raw, parts, channels)

    def learn(self, readings: Sequence[SensorReading], is_usual: Bools) -> None:
        """Append readings, and keep the vectors of those that are usual."""
        vectors = self.window.append(readings)
        if self.window.is_outdated:
            self._forget()
        elif self.window.is_full:
            self.usual = self.window.fix_scales()[-self.plan.memory :]
            self.network = new_network(self.shape, self.plan.seed)
        elif len(vectors):
            kept = vectors[is_usual]
            self.num_new += len(kept)
            self.usual = np.concatenate([self.usual, kept])[-self.plan.memory :]

    def next_training(self) -> Training | None:
        """Return the training that is due, if one is."""
        if not self.window.is_ready:
            return None
        is_first = self.network.steps == 0
        if not is_first and self.num_new < self.plan.train_every:
            return None
        steps = self.plan.first_steps if is_first else self.plan.steps
        count = len(self.usual) - (self._num_held_out() if is_first else 0)
        rng = np.random.default_rng((self.plan.seed, self.window.total))
        batches = rng.integers(0, count, (steps, _BATCH))
        if not is_first:
            self._note_error(self.usual[-min(self.num_new, len(self.usual)) :], _ERROR_RATE)
        self.num_new = 0
        return Training(self.shape, self.usual, batches, is_first)

    def _num_held_out(self) -> int:
        return len(self.usual) // _HELD_OUT

    def adopt(self, network: Network, training: Training) -> None:
        """Take the network that was trained."""
        self.network = network
        if training.is_first:
            self._note_error(self.usual[-self._num_held_out() :], 1.0)

    def _note_error(self, vectors: Floats, rate: float) -> None:
        errors = self.networks.errors(self.shape, self.network, vectors)
        self.error += rate * (float((errors * errors).mean()) - self.error)
