"""Calls models of several partitions together where they support it, else one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeGuard

from streams.model_protocols import ForeseeingModel, JoinedLearner, JoinedModel, LearningModel
from streams.out_of_memory import drop_frames
from streams.predicting import predict_each

logger = logging.getLogger(__name__)


CallModel = Callable[..., Any]
"""Calls its first argument with the others; see `ModelCalls.run`."""


def call_model(method: Callable[..., Any], *args: Any) -> Any:
    """Call a model without more ado."""
    return method(*args)


def foresee_each(
    models: Sequence[LearningModel],
    batches: Sequence[Sequence[Any]],
    call: CallModel = call_model,
) -> None:
    """Let models prepare for what follows, if they can; a failure shows when they are asked."""
    if not models or not _foresees(models[0]):
        return
    try:
        call(models[0].foresee, models, batches)
    except Exception as error:  # some event is bad: its own call will say so
        drop_frames(error)


def answer_each(
    models: Sequence[LearningModel],
    batches: Sequence[Sequence[Any]],
    call: CallModel = call_model,
) -> list[list[Any]]:
    """Answer each batch with its model, in one call if the models support it."""
    if len(models) > 1 and _answers_jointly(models[0]):
        try:
            answers = call(models[0].predict_joined, models, batches)
            if [len(part) for part in answers] == [len(batch) for batch in batches]:
                return [list(part) for part in answers]
        except Exception as error:  # some event is bad: call model by model to find it
            drop_frames(error)
    return [
        predict_each(partial(call, model.predict_batch), batch)
        for model, batch in zip(models, batches, strict=True)
    ]


def learn_each(
    models: Sequence[LearningModel],
    batches: Sequence[Sequence[Any]],
    call: CallModel = call_model,
) -> list[bool]:
    """Let each model learn from its step; return for each whether it succeeded."""
    if len(models) > 1 and _learns_jointly(models[0]):
        try:
            call(models[0].learn_joined, models, batches)
            return [True] * len(models)
        except Exception as error:  # no model has learned: call model by model to find the bad step
            drop_frames(error)
    return [_try_to_learn(model, batch, call) for model, batch in zip(models, batches, strict=True)]


def _foresees(model: LearningModel) -> TypeGuard[ForeseeingModel]:
    return hasattr(model, "foresee")


def _answers_jointly(model: LearningModel) -> TypeGuard[JoinedModel]:
    # isinstance looks for every member of the protocol, which takes longer than a small call.
    return hasattr(model, "predict_joined")


def _learns_jointly(model: LearningModel) -> TypeGuard[JoinedLearner]:
    return hasattr(model, "learn_joined")


def _try_to_learn(model: LearningModel, batch: Sequence[Any], call: CallModel) -> bool:
    try:
        call(model.learn_batch, batch)
    except Exception:
        logger.exception("model %s can't learn from a step; the step is skipped", model.name)
        return False
    return True
