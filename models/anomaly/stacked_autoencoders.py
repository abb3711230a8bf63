"""Small autoencoders of one shape, a network for each source, trained together in one call.

A network's parameters are one vector, so that Adam and snapshots need not know its layers: from D
values to H, to C (the code), to H and back to D, with tanh between.

Sources: Hinton and Salakhutdinov, 2006, "Reducing the Dimensionality of Data with Neural Networks",
Science 313; Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Of the paper: decay of the moments, and what keeps the division finite.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
#: A scaled value beyond this counts less and less in the loss: one outlier is not what is learned.
_HUBER = 3.0


class Shape(NamedTuple):
    """The widths of a network's layers."""

    values: int
    hidden: int
    code: int

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        d, h, c = self
        return [(d, h), (h, c), (c, h), (h, d)]

    @property
    def num_parameters(self) -> int:
        """Weights and biases of a network."""
        return sum((inputs + 1) * outputs for inputs, outputs in self.layers)


class Network(NamedTuple):
    """One network with the moments of its training, as arrays on the host."""

    parameters: Floats
    """(P,) layer by layer, the biases behind the weights."""
    first: Floats
    """(P,) Adam's first moment."""
    second: Floats
    """(P,) Adam's second moment."""
    steps: int
    """Training steps so far."""


def new_network(shape: Shape, seed: int) -> Network:
    """Return an untrained network; weights by Glorot's rule."""
    rng = np.random.default_rng(seed)
    parts = []
    for inputs, outputs in shape.layers:
        limit = np.sqrt(6.0 / (inputs + outputs))
        parts += [rng.uniform(-limit, limit, inputs * outputs), np.zeros(outputs)]
    none = np.zeros(shape.num_parameters)
    return Network(np.concatenate(parts), none, none, 0)


class Autoencoders:
    """Runs and trains networks of any shape on a device.

    On the CPU in float64: the same calls give the same bits. On a GPU in float32.
    """

    def __init__(self, device: str = "cpu") -> None:
        import torch

        self._device = device
        self._dtype = torch.float64 if device == "cpu" else torch.float32

    def errors(self, shape: Shape, network: Network, vectors: Floats) -> Floats:
        """Return what is not reconstructed of vectors (n, D), (n, D)."""
        import torch

        with torch.inference_mode():
            inputs = self._tensor(vectors)[None]
            outputs = _reconstruct(shape, self._tensor(network.parameters)[None], inputs)
            errors: Floats = (inputs - outputs)[0].double().cpu().numpy()
        return errors

    def train(
        self,
        shape: Shape,
        networks: Sequence[Network],
        vectors: Sequence[Floats],
        batches: Sequence[Ints],
        learning_rate: float,
    ) -> list[Network]:
        """Train S networks, each on its own vectors.

        Args:
            shape: of all.
            networks: S networks; they may have had different numbers of steps.
            vectors: of each network (n, D).
            batches: of each network (steps, B): the vectors of each step; the same numbers of all.
            learning_rate: of Adam.
        """
        import torch

        data = [self._tensor(each) for each in vectors]
        rows = [torch.from_numpy(each).to(self._device) for each in batches]
        theta, first, second = (
            torch.stack([self._tensor(array) for array in arrays])
            for arrays in zip(*((n.parameters, n.first, n.second) for n in networks), strict=True)
        )
        before = self._tensor(np.array([[network.steps] for network in networks], np.float64))
        for step in range(len(batches[0])):
            inputs = torch.stack([d[r[step]] for d, r in zip(data, rows, strict=True)])
            gradient = _gradient(shape, theta, inputs)
            first = _BETA_1 * first + (1 - _BETA_1) * gradient
            second = _BETA_2 * second + (1 - _BETA_2) * gradient * gradient
            number = before + (step + 1)
            scale = (second / (1 - _BETA_2**number)).sqrt() + _EPSILON
            theta = theta - learning_rate * (first / (1 - _BETA_1**number)) / scale
        arrays = [part.double().cpu().numpy() for part in (theta, first, second)]
        steps = len(batches[0])
        return [
            Network(arrays[0][i], arrays[1][i], arrays[2][i], network.steps + steps)
            for i, network in enumerate(networks)
        ]

    def _tensor(self, array: Floats) -> torch.Tensor:
        import torch

        return torch.as_tensor(array, dtype=self._dtype, device=self._device)


def _gradient(shape: Shape, theta: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Return the gradients (S, P) of the networks' mean losses over inputs (S, B, D)."""
    import torch

    theta = theta.detach().requires_grad_()
    outputs = _reconstruct(shape, theta, inputs)
    loss = torch.nn.functional.huber_loss(outputs, inputs, reduction="sum", delta=_HUBER)
    (gradient,) = torch.autograd.grad(loss / (inputs.shape[1] * inputs.shape[2]), theta)
    return gradient


def _reconstruct(shape: Shape, theta: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Return the outputs (S, B, D) of networks with parameters (S, P) for inputs (S, B, D)."""
    import torch

    at, values = 0, inputs
    for number, (width, outputs) in enumerate(shape.layers):
        weights = theta[:, at : at + width * outputs].reshape(-1, width, outputs)
        at += width * outputs
        biases = theta[:, None, at : at + outputs]
        at += outputs
        values = torch.baddbmm(biases, values, weights)
        if number < len(shape.layers) - 1:
            values = torch.tanh(values)
    return values
