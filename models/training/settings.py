"""The settings that training tasks share; each task adds its own.

Every field has a description: `penstock train TASK --print-config` prints it above the default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from models.evaluation import UNSEEN_SEED

#: Called with what is done and how much there is: steps, pictures or texts.
Progress: TypeAlias = Callable[[str, int, int], None]

Share: TypeAlias = Annotated[float, Meta(ge=0, le=0.9)]


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every task reads."""

    seed: Annotated[
        int,
        Meta(
            ge=0,
            lt=UNSEEN_SEED,
            description="The same seed, settings, data, threads and machine give the same weights.",
        ),
    ] = 0
    threads: Annotated[
        int,
        Meta(ge=0, description="Threads of torch; 0: all cores. The last digits depend on it."),
    ] = 1


class NetworkSettings(TrainingSettings, frozen=True, kw_only=True):
    """What every task reads that trains a network in steps."""

    epochs: Annotated[int, Meta(ge=1, description="How often each example is seen.")] = 8
    batch_size: Annotated[int, Meta(ge=1, description="Examples in a step.")] = 16
    learning_rate: Annotated[
        float,
        Meta(gt=0, description="The highest; it rises at first and falls along a cosine."),
    ] = 2e-3
    held_out: Annotated[
        Share,
        Meta(description="Share of the data that is not trained on, to measure the model with."),
    ] = 0.1
    checkpoint_seconds: Annotated[
        float, Meta(ge=0, description="A run that was ended goes on from its last checkpoint.")
    ] = 60.0


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing."""
