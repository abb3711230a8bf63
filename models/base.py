"""What a model is, for whoever writes one.

    class Speed(Model[Ride, Result]):
        name, version = "speed", "1"

        def predict_batch(self, batch):
            return [{"kmh": 3.6 * ride.meters / ride.seconds} for ride in batch]

Life cycle: made with its options (cheap; nothing is loaded) -> `load(device)` -> `warm_up()`
-> `predict_batch(...)` many times -> `close()`. One caller at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from schemas import Event, InputError, Result

E = TypeVar("E", bound=Event, contravariant=True)
R = TypeVar("R")

#: What a model may say of one event: one result, several, none at all, or why it can't be
#: processed. A result is a `Result` or a plain dict of JSON values.
Answer: TypeAlias = R | Sequence[R] | InputError | None


class Model(Generic[E, R]):
    """Stateless: an answer depends on its event alone, not on its neighbors or on earlier ones."""

    name: str = ""
    version: str = "1"
    event_type: ClassVar[type[Event]] = Event
    """The event type that `predict_batch` expects; the pipeline file is checked against it."""
    result_type: ClassVar[type[Result] | None] = None
    """What it emits, for the exported schema; None for plain dicts."""

    uses_gpu: ClassVar[bool] = False
    """Whether `load` makes use of a CUDA device: what `device: auto` goes by."""

    def load(self, device: str = "cpu") -> None:
        """Load weights and sessions. Heavy imports happen here, never at import or `__init__`.

        Args:
            device: `cpu`, or `cuda:0`, `cuda:1` ...

        Raises:
            ModelError: a file is absent or of the wrong kind; the message says what to do.
        """

    def warm_up(self) -> None:
        """Run once on made-up input, so that the first real batch is not the slow one."""

    def predict_batch(self, batch: Sequence[E]) -> Sequence[Answer[R]]:
        """Answer each event.

        Args:
            batch: B events, 1 <= B <= max_batch_size. Must not be changed.

        Returns:
            B answers in input order.

        Raises:
            InputError: an event can't be processed. The engine then halves the batch until the
                culprit is alone; returning the error in the event's place saves it that work.
        """
        raise NotImplementedError(f"{type(self).__name__} must define predict_batch")

    def free_memory(self) -> None:
        """Give back what is held of a device's memory only in reserve: here PyTorch's cache.

        Called after a batch did not fit, before it is tried in halves; from any thread.
        """
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Free what `load` took. Called once, after the last batch."""


class PreparedModel(Model[E, R]):
    """A model whose host-side work (decoding, tokenizing, copying) can overlap the device's.

    The engine calls `prepare_batch` on a pool thread while an earlier batch is on the device, and
    `predict_prepared` on the device's own thread.
    """

    def prepare_batch(self, batch: Sequence[E]) -> Any:
        """Return what `predict_prepared` needs; thread-safe: the device is computing meanwhile.

        It may send data to the device (`models/transfer.py`) and use all cores (`CorePool`).
        An event that can't be prepared is carried along as its `InputError`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define prepare_batch")

    def predict_prepared(self, prepared: Any) -> Sequence[Answer[R]]:
        """Answer what `prepare_batch` returned: B answers in input order."""
        raise NotImplementedError(f"{type(self).__name__} must define predict_prepared")

    def predict_batch(self, batch: Sequence[E]) -> Sequence[Answer[R]]:
        """Prepare and predict in one call."""
        return self.predict_prepared(self.prepare_batch(batch))


class Measuring(Protocol[E]):
    """What any model may define besides: how large an event is.

    A pipeline's `batch.buckets` and `batch.max_batch_weight` ask for it. It is for models that pad
    a batch to its largest event, or whose memory grows with it; one that brings every event to the
    same shape has no use for it.
    """

    def measure_batch(self, batch: Sequence[E]) -> Sequence[int]:
        """Tell the sizes of events, in a unit of the model's own: tokens, pixels, nodes.

        Args:
            batch: N >= 1 events, as many as came in together. Must not be changed.

        Returns:
            N whole numbers >= 0 in input order; a list or an integer array. An estimate will do:
            it decides what shares a batch, never what is answered.

        Raises:
            InputError: an event can't be measured: it becomes a dead letter, its neighbors don't.

        Called on a pool thread for every event, before `prepare_batch` or `predict_batch` and
        while others run: thread-safe, touches no device, and far cheaper than the answer. With
        `isolation: process` it is asked of an instance that was never loaded.
        """
        ...


class OnlineModel(Model[E, R]):
    """A model that also learns from the stream: one instance a partition of its input.

    The engine cuts the partition's offsets into steps of `learn_every` and, for each step, first
    asks `predict_batch` for every event of it (in as many calls as micro-batches happen to fall)
    and then calls `learn_batch` once with all of them, in offset order. So the same log gives the
    same answers and the same state, however the micro-batches fell. Score first, then learn.

    After a crash the engine restores the latest snapshot and calls `learn_batch` alone for what was
    answered since: `predict_batch` must change nothing that `learn_batch` or `snapshot` see.
    """

    learn_every: int = 32
    """Offsets in a learning step, >= 1. Smaller adapts sooner, larger is cheaper."""

    def learn_batch(self, batch: Sequence[E]) -> None:
        """Learn from a step's events, in order; may be fewer than `learn_every`, or none."""
        raise NotImplementedError(f"{type(self).__name__} must define learn_batch")

    def update(self) -> R | None:
        """Return what a learning step changed for all to see (moved centers), or None."""
        return None

    def snapshot(self) -> bytes:
        """Return the whole state: MessagePack or safetensors, versioned, never pickle.

        Called between any two calls; the state is that after the last `learn_batch`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define snapshot")

    def restore(self, state: bytes) -> None:
        """Become what `snapshot` saw.

        Raises:
            ModelError: not a snapshot of this model, or of a version that this build can't read.
        """
        raise NotImplementedError(f"{type(self).__name__} must define restore")


class ModelError(RuntimeError):
    """A model can't be made or loaded. The message is for people and says what to do."""
