"""The methods of a model that the engine calls; `models/` has them without importing this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable


class ServedModel(Protocol):
    """A model; `models/base.py` documents what each method must guarantee."""

    name: str
    version: str

    def load(self, device: str = "cpu") -> None:
        """Load weights. Called once, on the model's thread."""
        ...

    def warm_up(self) -> None:
        """Predict once on made-up input."""
        ...

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Return B answers for B events."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


@runtime_checkable
class PreparingModel(ServedModel, Protocol):
    """A model whose work on the host can overlap the work on the device."""

    def prepare_batch(self, batch: Sequence[Any]) -> Any:
        """Decode, tokenize and collate events. Thread-safe."""
        ...

    def predict_prepared(self, prepared: Any) -> Sequence[Any]:
        """Answer what `prepare_batch` returned."""
        ...


@runtime_checkable
class MemoryFreeingModel(Protocol):
    """A model whose library reserves device memory."""

    def free_memory(self) -> None:
        """Release the reserved memory. Thread-safe."""
        ...


@runtime_checkable
class LearningModel(ServedModel, Protocol):
    """A model that learns; there is one instance for each partition."""

    learn_every: int

    def learn_batch(self, batch: Sequence[Any]) -> None:
        """Learn from the events of one step."""
        ...

    def update(self) -> Any:
        """Return a result to publish after the step, or None."""
        ...

    def snapshot(self) -> bytes:
        """Return the whole state."""
        ...

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot."""
        ...


@runtime_checkable
class ReportingModel(LearningModel, Protocol):
    """A learning model that counts what people should know."""

    def take_incidents(self) -> Mapping[str, int]:
        """Return what happened in learning since the last call, by kind."""
        ...


@runtime_checkable
class JoinedModel(LearningModel, Protocol):
    """A learning model whose instances can answer for several partitions in one call."""

    def predict_joined(
        self, models: Sequence[LearningModel], batches: Sequence[Sequence[Any]]
    ) -> Sequence[Sequence[Any]]:
        """Return what each model's `predict_batch` would return for its batch."""
        ...


@runtime_checkable
class JoinedLearner(JoinedModel, Protocol):
    """A model whose instances can also learn in one call."""

    def learn_joined(
        self, models: Sequence[LearningModel], batches: Sequence[Sequence[Any]]
    ) -> None:
        """Do what each model's `learn_batch` would do; change nothing if it raises."""
        ...


@runtime_checkable
class ForeseeingModel(LearningModel, Protocol):
    """A learning model that works better on many events at once than step by step.

    Its state moves with every event, so its steps are short, and each call has few events. But the
    engine knows the events that follow.
    """

    def foresee(self, models: Sequence[LearningModel], batches: Sequence[Sequence[Any]]) -> None:
        """Prepare for the events of several partitions that are to be answered and learned next.

        Args:
            models: one for each partition.
            batches: of each, all events of the micro-batch, in order, after those that are answered
                and not yet learned. Some may not be asked for: their partition may be revoked.

        It must not change what `predict_batch`, `learn_batch` and `snapshot` return.
        """
        ...


@runtime_checkable
class SharingModel(LearningModel, Protocol):
    """A learning model whose instances can store their states together."""

    def join(self, other: LearningModel) -> None:
        """Store this instance's state beside another's. Called once, before it learns."""
        ...


@runtime_checkable
class LabeledModel(LearningModel, Protocol):
    """A learning model that joins late labels with the events that they are about."""

    def note_offsets(self, partition: Any, offsets: Sequence[int]) -> None:
        """Note topic and partition, and the offsets of the events of the next `learn_batch`."""
        ...

    def label_sums(self) -> tuple[float, float]:
        """Return the decayed numbers of labels with a right answer, and of all. Thread-safe."""
        ...


ModelFactory: TypeAlias = Callable[[], ServedModel]
