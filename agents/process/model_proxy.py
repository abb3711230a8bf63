"""A model in a child process: one that hangs or dies is replaced, and the worker goes on.

`ProcessModel` looks like any model. It sends its calls to a child process, a batch at a time. A
child that does not answer in time is killed, a dead one is replaced, and the call raises.
`streams/predicting.py` decides what happens to the batch then, as for every failing batch: it is
tried once more, then halved until the record that causes the failure is alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agents.pipeline.parts import AgentParts
from agents.process.model_link import ChildDiedError, ModelLink
from agents.process.model_wire import LOAD, PREDICT, ModelConfig, unpack_answers
from models.base import ModelError, PreparedModel
from schemas.errors import ModelDiedError, ModelTimeoutError
from streams.health.metrics import Metrics
from streams.model_protocols import ModelFactory
from streams.settings import AgentSettings

logger = logging.getLogger(__name__)

#: Between two starts of a child that did nothing useful in between.
_FIRST_BACK_OFF_SECONDS, _LAST_BACK_OFF_SECONDS = 0.1, 30.0
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def isolated(
    metrics: Metrics, name: str, settings: AgentSettings, base_dir: Path, parts: AgentParts
) -> ModelFactory:
    """Return a function that makes the agent's models, in child processes if the settings ask.

    Args:
        metrics: count the children that are lost.
        name: of the agent.
        settings: of the agent.
        base_dir: where the pipeline file's relative paths start.
        parts: of the agent.
    """
    if settings.isolation == "thread":
        return parts.make_model

    def count(reason: str) -> None:
        metrics.model_restarts.labels(name, reason).inc()
        if reason == "timeout":
            metrics.model_timeouts.labels(name).inc()

    def make() -> ProcessModel:
        model = parts.make_model()  # raises here, not in a child, if its options don't fit
        level = logging.getLogger().getEffectiveLevel()
        config = ModelConfig(settings, str(base_dir.resolve()), level, _LOG_FORMAT)
        arguments = (model.name, config, settings.predict_timeout_seconds, count)
        prepares = isinstance(model, PreparedModel)
        return ProcessModel(*arguments, prepares=prepares)

    return make


class ProcessModel:
    """A stateless model that runs in a child process; called from one thread, as any model."""

    def __init__(
        self,
        name: str,
        config: ModelConfig,
        timeout_seconds: float | None = None,
        on_lost: Callable[[str], None] = lambda reason: None,
        prepares: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the settings; the child starts in `load`.

        Args:
            name: of the model.
            config: what the child makes its model from.
            timeout_seconds: how long a call may take; None: any time.
            on_lost: called with a reason for each child that was lost in a call.
            prepares: whether the model computes with the threads of its library.
            sleep: waits out a back-off.
        """
        self.name = name
        self.version = ""
        self._config = config
        self._timeout = timeout_seconds
        self._on_lost = on_lost
        self.prepares = prepares
        self._sleep = sleep
        self._device = "cpu"
        self._child: ModelLink | None = None
        self._back_off = 0.0
        self._is_reported = False
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    @property
    def is_warm(self) -> bool:
        """Whether the child is there and its model loaded."""
        return self._child is not None

    def load(self, device: str = "cpu") -> None:
        """Start the child and let it load and warm up its model.

        Raises:
            ModelError: the model says why it can't be loaded, or the child died meanwhile.
            Exception: what else the model raised, by another class of the same name.
        """
        self._device = device
        self._child = self._start()

    def warm_up(self) -> None:
        """Do nothing: loading in the child includes it."""

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Have the child answer B events.

        Raises:
            ModelTimeoutError: it did not answer in time, and was killed.
            ModelDiedError: it died.
            Exception: what the model raised, by another class of the same name.
        """
        child = self._child or self._start_again()
        self._buffer.clear()
        self._encoder.encode_into(batch, self._buffer)
        try:
            answers = child.call(PREDICT, self._buffer, self._timeout)
        except TimeoutError:
            self._lose(child, "timeout")
            raise ModelTimeoutError(
                f"the model had not answered after {self._timeout:g} s: its process was replaced"
            ) from None
        except ChildDiedError as error:
            self._lose(child, "died")
            raise ModelDiedError(f"the model's process died: {error}") from None
        self._back_off = 0.0
        return unpack_answers(answers)

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _start(self) -> ModelLink:
        child = ModelLink()
        try:
            content = msgspec.msgpack.encode((self._device, self._config))
            version = child.call(LOAD, content, None)
        except BaseException as error:
            child.kill()
            raise _load_error(error) from None
        self.version = bytes(version).decode()
        return child

    def _start_again(self) -> ModelLink:
        """Start a child in place of one that was lost; wait and retry if it can't be."""
        while True:
            if self._back_off:
                self._sleep(self._back_off)
            self._back_off = min(
                max(2 * self._back_off, _FIRST_BACK_OFF_SECONDS), _LAST_BACK_OFF_SECONDS
            )
            try:
                self._child = self._start()
            except Exception as error:
                if not self._is_reported:
                    self._is_reported = True
                    logger.error("model %s can't be loaded again: %s; retrying", self.name, error)
            else:
                self._is_reported = False
                return self._child

    def _lose(self, child: ModelLink, reason: str) -> None:
        self._child = None
        child.kill()
        logger.warning(
            "model %s: its process %s (%s); another one takes its place",
            self.name, "was killed: it did not answer in time" if reason == "timeout" else "died",
            child.describe_end(),
        )  # fmt: skip
        self._on_lost(reason)


def _load_error(error: BaseException) -> BaseException:
    if isinstance(error, ChildDiedError):
        return ModelError(f"its process died while it loaded: {error}")
    # The model's own message for people came through as another class of the same name.
    return ModelError(str(error)) if type(error).__name__ == ModelError.__name__ else error
