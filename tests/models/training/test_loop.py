"""The steps: the same after a kill as without, for every network and with an average."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.training.loop import Plan, Stage, train_network
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, no_progress

SETTINGS = NetworkSettings(epochs=6, batch_size=4, checkpoint_seconds=0, learning_rate=1e-2)
INPUTS = torch.randn(32, 5, generator=torch.Generator().manual_seed(0))


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
    )


def plan(average: float | None = None, factor: float = 1.0) -> Plan:
    def loss(net: Any, rows: Any, chance: np.random.Generator) -> torch.Tensor:
        noise = torch.from_numpy(chance.normal(size=(len(rows), 5)).astype(np.float32))
        pixels = INPUTS[torch.from_numpy(rows)]
        found: torch.Tensor = net(pixels + 0.01 * noise) * factor
        return (found[:, 0] - pixels.sum(dim=1)).square().mean()

    return Plan(len(INPUTS), loss, lambda net: float(net(INPUTS).mean()), average_decay=average)


class Killed(Exception):
    pass


@pytest.mark.parametrize("average", [None, 0.9])
def test_a_run_that_was_ended_gives_the_weights_of_the_whole_run(
    tmp_path: Path, average: float | None
) -> None:
    runs = [RunFolder(tmp_path / name) for name in ("whole", "ended")]
    for run in runs:
        run.begin("test", {}, "")
    whole = train_network(network(), plan(average), SETTINGS, runs[0], no_progress)

    def end(what: str, done: int, total: int) -> None:
        if done == 27:
            raise Killed

    with pytest.raises(Killed):
        train_network(network(), plan(average), SETTINGS, runs[1], end)
    assert runs[1].load_checkpoint()[0] == 20
    again = train_network(network(), plan(average), SETTINGS, runs[1], no_progress)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert runs[0].metrics() == runs[1].metrics()


def in_stages() -> Plan:
    """A plan whose first epoch trains the first layer alone, its weights that is."""

    def first(net: Any, rows: Any, _: np.random.Generator) -> torch.Tensor:
        found: torch.Tensor = net[0](INPUTS[torch.from_numpy(rows)])
        return found.square().mean()

    then = plan()
    return Plan(then.num_examples, then.loss, weight_decay=0.0, stages=(Stage(1, first),))


def test_a_stage_has_its_epochs_and_leaves_other_weights_alone(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin("test", {}, "")
    one = NetworkSettings(epochs=1, batch_size=4, checkpoint_seconds=0, learning_rate=1e-2)
    after = train_network(network(), in_stages(), one, run, no_progress).state_dict()
    same = {name: torch.equal(value, after[name]) for name, value in network().state_dict().items()}
    assert not same["0.weight"]
    assert same["3.weight"]


def test_a_run_that_was_ended_in_its_first_stage_gives_the_same_weights(tmp_path: Path) -> None:
    runs = [RunFolder(tmp_path / name) for name in ("whole", "ended")]
    for run in runs:
        run.begin("test", {}, "")
    few = NetworkSettings(epochs=3, batch_size=2, checkpoint_seconds=0, learning_rate=1e-2)
    whole = train_network(network(), in_stages(), few, runs[0], no_progress)

    def end(what: str, done: int, total: int) -> None:
        if done == 13:
            raise Killed

    with pytest.raises(Killed):
        train_network(network(), in_stages(), few, runs[1], end)
    assert runs[1].load_checkpoint()[0] == 10
    again = train_network(network(), in_stages(), few, runs[1], no_progress)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_loss_falls_and_is_recorded(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin("test", {}, "")
    train_network(network(), plan(), SETTINGS, run, no_progress)
    losses = [line["loss"] for line in run.metrics() if "loss" in line]
    assert losses[-1] < losses[0]
    assert sum("held_out_loss" in line for line in run.metrics()) == SETTINGS.epochs


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin("test", {}, "")
    with pytest.raises(ModelError, match="set a lower learning_rate"):
        train_network(network(), plan(factor=float("nan")), SETTINGS, run, no_progress)


def test_too_few_examples_are_refused(tmp_path: Path) -> None:
    settings = NetworkSettings(batch_size=64)
    with pytest.raises(ModelError, match="32 examples to train on, batch_size 64"):
        train_network(network(), plan(), settings, RunFolder(tmp_path), no_progress)
