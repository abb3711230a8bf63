"""The steps that train a network: seeded, with checkpoints, the same after a kill as without.

A step depends on its number alone: its examples, its augmentation and torch's random numbers come
from (seed, step). So a run that goes on from a checkpoint does what the whole run would have done.
"""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, Progress

if TYPE_CHECKING:
    import torch

Rows = npt.NDArray[np.int64]
#: Steps between two lines of metrics.jsonl, and between two chances of a checkpoint.
_RECORD_EVERY = 10


#: Of the network, the examples of a step, and the step's random numbers: a scalar.
Loss = Callable[[Any, Rows, np.random.Generator], "torch.Tensor"]


@dataclass(frozen=True)
class Stage:
    """Epochs at the start with a loss of their own."""

    epochs: int
    loss: Loss


@dataclass(frozen=True)
class Plan:
    """What a task adds to its settings."""

    num_examples: int
    loss: Loss
    held_out_loss: Callable[[Any], float] | None = None
    """Of the network in eval mode, after each epoch; None: is not measured."""
    weight_decay: float = 0.02
    warm_up_share: float = 0.05
    clip: float = 10.0
    """The longest gradient."""
    average_decay: float | None = None
    """Return the moving average of the weights (Polyak and Juditsky, 1992); None: the last."""
    stages: tuple[Stage, ...] = ()
    """What comes before `loss`, one after the other."""


def train_network(
    network: Any, plan: Plan, settings: NetworkSettings, run: RunFolder, progress: Progress
) -> Any:
    """Train with AdamW, or go on with a run that was ended; return the network in eval mode.

    Raises:
        ModelError: there are fewer examples than in a step, or the loss is no longer a number.
    """
    steps_of_epoch = plan.num_examples // settings.batch_size
    if steps_of_epoch < 1:
        raise ModelError(
            f"{plan.num_examples} examples to train on, batch_size {settings.batch_size}: "
            "expected at least one batch: bring more data, or set a smaller batch_size"
        )
    training = _Training(network, plan, settings, steps_of_epoch)
    first = training.resume(run)
    run.forget_after(first)
    saved, losses = time.monotonic(), list[float]()
    for step in range(first, training.num_steps):
        losses.append(training.step(step))
        done = step + 1
        is_last, ends_epoch = done == training.num_steps, done % steps_of_epoch == 0
        if done % _RECORD_EVERY == 0 or is_last:
            run.record(done, loss=float(np.mean(losses)), learning_rate=training.rate(step))
            losses.clear()
            if time.monotonic() - saved >= settings.checkpoint_seconds or is_last:
                run.save_checkpoint(done, training.tensors())
                saved = time.monotonic()
        if ends_epoch and plan.held_out_loss is not None:
            run.record(done, held_out_loss=training.held_out_loss())
        progress("steps", done, training.num_steps)
    return training.result().eval()


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Rows:
    return np.random.default_rng((seed, epoch)).permutation(count)


class _Training:
    """Network, optimizer and average, moved step by step."""

    def __init__(
        self, network: Any, plan: Plan, settings: NetworkSettings, steps_of_epoch: int
    ) -> None:
        import torch

        self._network, self._plan, self._settings = network, plan, settings
        self._steps_of_epoch = steps_of_epoch
        self.num_steps = steps_of_epoch * settings.epochs
        self._average = None if plan.average_decay is None else copy.deepcopy(network).eval()
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=plan.weight_decay
        )

    def step(self, step: int) -> float:
        """Do one step and return its loss."""
        import torch

        seed = self._settings.seed
        torch.manual_seed(hash((seed, step)) & 0x7FFFFFFF)  # of dropout; hashes of ints are fixed
        self._optimizer.param_groups[0]["lr"] = self.rate(step)
        self._network.train()
        chance = np.random.default_rng((seed, step, 1))
        loss = self._loss_of(step)(self._network, self._rows(step), chance)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(
                f"the loss is {value} in step {step}: set a lower learning_rate and another --out"
            )
        # Zeros rather than none: a weight that a stage leaves out has moments to store too.
        for weight in self._network.parameters():
            weight.grad = torch.zeros_like(weight)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._plan.clip)
        self._optimizer.step()
        self._move_average(step + 1)
        return value

    def _loss_of(self, step: int) -> Loss:
        epoch = step // self._steps_of_epoch
        for stage in self._plan.stages:
            if epoch < stage.epochs:
                return stage.loss
            epoch -= stage.epochs
        return self._plan.loss

    def _rows(self, step: int) -> Rows:
        epoch, place = divmod(step, self._steps_of_epoch)
        order = _order(self._settings.seed, epoch, self._plan.num_examples)
        size = self._settings.batch_size
        return order[place * size : (place + 1) * size]

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: a linear rise, then a cosine to a hundredth."""
        peak, warm_up = (
            self._settings.learning_rate,
            max(1, int(self._plan.warm_up_share * self.num_steps)),
        )
        if step < warm_up:
            return peak * (step + 1) / warm_up
        done = (step - warm_up) / max(1, self.num_steps - warm_up)
        return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)

    def held_out_loss(self) -> float:
        """Return the loss on what is not trained on."""
        import torch

        assert self._plan.held_out_loss is not None
        with torch.inference_mode():
            return self._plan.held_out_loss(self.result().eval())

    def result(self) -> Any:
        """Return the network that the run is about."""
        return self._network if self._average is None else self._average

    def _move_average(self, step: int) -> None:
        import torch

        if self._average is None or self._plan.average_decay is None:
            return
        # At the start the average has to forget the untrained weights sooner.
        decay = min(self._plan.average_decay, step / (step + 10))
        pairs = zip(
            self._average.state_dict().values(), self._network.state_dict().values(), strict=True
        )
        with torch.no_grad():
            for averaged, current in pairs:
                if averaged.is_floating_point():
                    averaged.lerp_(current, 1 - decay)
                else:
                    averaged.copy_(current)

    def tensors(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        tensors = {f"network.{k}": v for k, v in self._network.state_dict().items()}
        if self._average is not None:
            tensors |= {f"average.{k}": v for k, v in self._average.state_dict().items()}
        for name, weight in self._network.named_parameters():
            for key in ("exp_avg", "exp_avg_sq"):
                tensors[f"{key}.{name}"] = self._optimizer.state[weight][key]
        return tensors

    def resume(self, run: RunFolder) -> int:
        """Restore the last checkpoint, if any; return the number of steps done."""
        import torch

        step, tensors = run.load_checkpoint()
        if not step:
            return 0
        try:
            _copy_into(self._network, tensors, "network.")
            if self._average is not None:
                _copy_into(self._average, tensors, "average.")
            for name, weight in self._network.named_parameters():
                self._optimizer.state[weight] = {
                    "step": torch.tensor(float(step)),
                    **{
                        key: torch.empty_like(weight).copy_(tensors[f"{key}.{name}"])
                        for key in ("exp_avg", "exp_avg_sq")
                    },
                }
        except (KeyError, RuntimeError) as error:
            raise ModelError(
                f"{run.path}: its checkpoint is of another network: {error}"
            ) from error
        return step


def _copy_into(network: Any, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Copy tensors into a network, whose memory format stays."""
    import torch

    with torch.no_grad():
        for name, value in network.state_dict().items():
            value.copy_(tensors[prefix + name])
