"""Whether an agent's model runs on a thread of the worker or in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agents.pipeline.parts import AgentParts
from agents.process.model_child import ModelConfig
from agents.process.model_proxy import ProcessModel
from models.base import ModelError, PreparedModel
from streams.health.metrics import Metrics
from streams.protocols import ModelFactory
from streams.settings import AgentSettings

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def isolated(
    metrics: Metrics, name: str, settings: AgentSettings, base_dir: Path, parts: AgentParts
) -> ModelFactory:
    """Return what makes the agent's models: as they are, or each in a process of its own."""
    if settings.isolation == "thread":
        return parts.make_model

    def make() -> ProcessModel:
        made = parts.make_model()  # options that don't fit are told now, not by a child
        level = logging.getLogger().getEffectiveLevel()
        config = ModelConfig(settings, str(base_dir.resolve()), level, _LOG_FORMAT)
        kind = _IsolatedMeasuring if settings.batch.measures else _Isolated
        process = kind(
            made.name,
            msgspec.msgpack.encode(config),
            settings.predict_timeout_seconds,
            _count(metrics, name),
            prepares=isinstance(made, PreparedModel),
        )
        if isinstance(process, _IsolatedMeasuring):
            process.measured_by = made
        return process

    return make


class _Isolated(ProcessModel):
    def load(self, device: str = "cpu") -> None:
        try:
            super().load(device)
        except Exception as error:
            # The model's own words for people, which came through as another class.
            if type(error).__name__ == ModelError.__name__:
                raise ModelError(str(error)) from error
            raise


class _IsolatedMeasuring(_Isolated):
    """Measures events on the worker's side, where they are sorted into batches."""

    measured_by: Any
    """An instance of the model, not loaded."""

    def measure_batch(self, batch: Sequence[Any]) -> Sequence[int]:
        """Return what each event measures."""
        sizes: Sequence[int] = self.measured_by.measure_batch(batch)
        return sizes


def _count(metrics: Metrics, agent: str) -> Callable[[str], None]:
    def lost(reason: str) -> None:
        metrics.model_restarts.labels(agent, reason).inc()
        if reason == "timeout":
            metrics.model_timeouts.labels(agent).inc()

    return lost
