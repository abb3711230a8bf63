"""Stacked networks against PyTorch's own layers and Adam, and alone against together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.anomaly.stacked_autoencoders import Autoencoders, Network, Shape, new_network

SHAPE = Shape(6, 5, 2)


def vectors(seed: int, count: int = 80) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 2)) @ rng.normal(size=(2, 6))


def batches(seed: int, steps: int = 30) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return np.random.default_rng(seed).integers(0, 80, (steps, 16))


def trained(seeds: list[int], steps: int = 30) -> list[Network]:
    return Autoencoders().train(
        SHAPE,
        [new_network(SHAPE, seed) for seed in seeds],
        [vectors(seed) for seed in seeds],
        [batches(seed, steps) for seed in seeds],
        0.01,
    )


def test_training_is_that_of_torch_with_its_adam() -> None:
    network = new_network(SHAPE, 3)
    layers: list[torch.nn.Module] = []
    at = 0
    for inputs, outputs in SHAPE.layers:
        layer = torch.nn.Linear(inputs, outputs, dtype=torch.float64)
        size = inputs * outputs
        weights = network.parameters[at : at + size].reshape(inputs, outputs)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights.T.copy()))
            layer.bias.zero_()
        at += size + outputs
        layers += [layer, torch.nn.Tanh()]
    reference = torch.nn.Sequential(*layers[:-1])
    adam = torch.optim.Adam(reference.parameters(), lr=0.01)
    data = torch.from_numpy(vectors(3))
    for rows in batches(3):
        adam.zero_grad()
        chosen = data[torch.from_numpy(rows)]
        loss = torch.nn.functional.huber_loss(reference(chosen), chosen, delta=3.0)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    (found,) = trained([3])
    expected = (data - reference(data)).detach().numpy()
    np.testing.assert_allclose(Autoencoders().errors(SHAPE, found, vectors(3)), expected, atol=1e-9)
    assert found.steps == 30


def test_networks_trained_together_are_those_trained_alone() -> None:
    for together, seed in zip(trained([1, 2, 3]), [1, 2, 3], strict=True):
        (alone,) = trained([seed])
        np.testing.assert_allclose(together.parameters, alone.parameters, atol=1e-9)


def test_it_learns_what_the_code_can_hold() -> None:
    (found,) = trained([5], steps=600)
    errors = Autoencoders().errors(SHAPE, found, vectors(5))
    assert (errors**2).mean() < 0.1 * vectors(5).var()


def test_the_number_of_parameters_is_that_of_the_layers() -> None:
    assert SHAPE.num_parameters == 6 * 5 + 5 + 5 * 2 + 2 + 2 * 5 + 5 + 5 * 6 + 6
    assert len(new_network(SHAPE, 0).parameters) == SHAPE.num_parameters


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_the_errors_are_about_those_of_the_cpu() -> None:
    (found,) = trained([1])
    on_gpu = Autoencoders("cuda:0").errors(SHAPE, found, vectors(1))
    np.testing.assert_allclose(on_gpu, Autoencoders().errors(SHAPE, found, vectors(1)), atol=1e-3)
