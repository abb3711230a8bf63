"""The base classes of models.

    class Speed(Model[Ride, Result]):
        name, version = "speed", "1"

        def predict_batch(self, batch):
            return [{"kmh": 3.6 * ride.meters / ride.seconds} for ride in batch]

Life cycle: construction with the options (cheap; nothing is loaded) -> `load(device)` ->
`warm_up()` -> `predict_batch(...)` many times -> `close()`. One caller at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from schemas import Event, InputError, Result

E = TypeVar("E", bound=Event, contravariant=True)
R = TypeVar("R")

#: A model's answer for one event: one result, several, none, or the reason why it can't be
#: processed. A result is a `Result` or a plain dict of JSON values.
Answer: TypeAlias = R | Sequence[R] | InputError | None


class Model(Generic[E, R]):
    """A stateless model: an answer depends on its event alone, not on other events."""

    name: str = ""
    version: str = "1"
    event_type: ClassVar[type[Event]] = Event
    """The event type that `predict_batch` expects; the pipeline file is checked against it."""
    result_type: ClassVar[type[Result] | None] = None
    """The type of its results, for the exported schema; None for plain dicts."""

    side_types: ClassVar[tuple[type[Event], ...]] = ()
    """Types of side records (`schemas/side_records.py`) that come among its events, in order; all
    others are filtered before the model. Usually an online model answers them with None."""

    uses_gpu: ClassVar[bool] = False
    """Whether `load` can use a CUDA device; `device: auto` gives one only to models that can."""

    def load(self, device: str = "cpu") -> None:
        """Load weights and sessions. Heavy imports happen here, never at import or `__init__`.

        Args:
            device: `cpu`, or `cuda:0`, `cuda:1` ...

        Raises:
            ModelError: a file is absent or has the wrong format; the message says what to do.
        """

    def warm_up(self) -> None:
        """Run once on made-up input, so that the first real batch is not slower than the rest."""

    def predict_batch(self, batch: Sequence[E]) -> Sequence[Answer[R]]:
        """Answer each event.

        Args:
            batch: B events, 1 <= B <= max_batch_size. Must not be changed.

        Returns:
            B answers in input order.

        Raises:
            InputError: an event can't be processed. The engine then halves the batch until the
                culprit is alone; returning the error in the event's place is cheaper.
        """
        raise NotImplementedError(f"{type(self).__name__} must define predict_batch")

    def free_memory(self) -> None:
        """Free device memory that is held in reserve: here PyTorch's cache.

        Called from any thread, after a batch did not fit and before it is tried in halves.
        """
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Free what `load` allocated. Called once, after the last batch."""


class PreparedModel(Model[E, R]):
    """A model that splits host work (decoding, tokenizing, copying) from device work.

    The engine calls `prepare_batch` on a pool thread while an earlier batch is on the device, and
    `predict_prepared` on the device's thread.
    """

    def prepare_batch(self, batch: Sequence[E]) -> Any:
        """Return the input of `predict_prepared`. Must be thread-safe: the device is in use.

        It may send data to the device (`models/transfer.py`) and use all cores (`CorePool`).
        An event that can't be prepared is passed on as its `InputError`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define prepare_batch")

    def predict_prepared(self, prepared: Any) -> Sequence[Answer[R]]:
        """Answer what `prepare_batch` returned: B answers in input order."""
        raise NotImplementedError(f"{type(self).__name__} must define predict_prepared")

    def predict_batch(self, batch: Sequence[E]) -> Sequence[Answer[R]]:
        """Prepare and predict in one call."""
        return self.predict_prepared(self.prepare_batch(batch))


class OnlineModel(Model[E, R]):
    """A model that also learns from the stream: one instance for each partition of its input.

    The engine cuts a partition's offsets into steps of `learn_every`. For each step it first calls
    `predict_batch` for all its events (in one or more calls, as the micro-batches are formed) and
    then calls `learn_batch` once with all of them, in offset order. So the same log gives the same
    answers and the same state, however the micro-batches were formed. Score first, then learn.

    After a crash the engine restores the latest snapshot and calls only `learn_batch` for events
    that were answered since. So `predict_batch` must change nothing that `learn_batch` or
    `snapshot` use.

    A subclass may also define `predict_joined`: then one call answers the events of several
    partitions. With `learn_joined` it also learns for several in one call (`OnlineKMeans` is an
    example). With `join` the engine joins each new instance with the existing ones, so that their
    states can be stored in common arrays (`RobustZScore`). Answers and state must be the same as
    with one call for each instance. With `foresee` a model whose steps are short sees all events of
    a micro-batch beforehand (`SpeechRecognizer`). See `streams/model_protocols.py`. If its
    state is separate for each source, it may also define the methods of `KeyedState`
    (`models/keyed_state.py`): then the state can move with a source when partitions are added.
    """

    learn_every: int = 32
    """Offsets in a learning step, >= 1. Small steps adapt sooner, large steps are cheaper."""

    def learn_batch(self, batch: Sequence[E]) -> None:
        """Learn from the events of a step, in order: at most `learn_every`, possibly none."""
        raise NotImplementedError(f"{type(self).__name__} must define learn_batch")

    def update(self) -> R | None:
        """Return a result to publish after a learning step (such as cluster centers), or None.

        Called only if the agent has a topic for it (`updates`). Must change nothing.
        """
        return None

    def take_incidents(self) -> dict[str, int]:
        """Return what happened in learning since the last call that people should know, by kind.

        For example `{"evicted_key": 3}`. The engine calls it after learning steps and counts it in
        `penstock_model_incidents_total`. It is no part of the state.
        """
        return {}

    def snapshot(self) -> bytes:
        """Return the whole state as MessagePack or safetensors, with a version; never as pickle.

        Called between any two calls. It is the state after the last `learn_batch`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define snapshot")

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, or of a version that this build can't read.
        """
        raise NotImplementedError(f"{type(self).__name__} must define restore")


class ModelError(RuntimeError):
    """A model can't be created or loaded. The message is for people and says what to do."""
