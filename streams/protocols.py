"""What the engine needs of a model and of a way out; `models/` fits without importing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from streams.offsets import Span
from streams.records import PackedRecords


class ServedModel(Protocol):
    """A model, as the engine calls it; see `models/base.py` for what each method promises."""

    name: str
    version: str

    def load(self, device: str = "cpu") -> None:
        """Load weights; called once, on the model's own thread."""
        ...

    def warm_up(self) -> None:
        """Run once on made-up input."""
        ...

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Answer B events with B answers."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


@runtime_checkable
class PreparingModel(ServedModel, Protocol):
    """A model whose host-side work can overlap the device's."""

    def prepare_batch(self, batch: Sequence[Any]) -> Any:
        """Decode, tokenise, collate; thread-safe."""
        ...

    def predict_prepared(self, prepared: Any) -> Sequence[Any]:
        """Answer what `prepare_batch` returned."""
        ...


@runtime_checkable
class MemoryFreeingModel(Protocol):
    """A model whose library keeps memory of the device in reserve."""

    def free_memory(self) -> None:
        """Give back what is held in reserve; thread-safe."""
        ...


@runtime_checkable
class LearningModel(ServedModel, Protocol):
    """A model that learns, one instance a partition."""

    learn_every: int

    def learn_batch(self, batch: Sequence[Any]) -> None:
        """Learn from a step's events."""
        ...

    def update(self) -> Any:
        """Return what the step changed for all to see, or None."""
        ...

    def snapshot(self) -> bytes:
        """Return the whole state."""
        ...

    def restore(self, state: bytes) -> None:
        """Become what `snapshot` saw."""
        ...


@runtime_checkable
class JoinedModel(LearningModel, Protocol):
    """A model that learns, whose instances can answer and learn in one call for all of them."""

    def join(self, other: LearningModel) -> None:
        """Keep its state beside that of another instance; called once, before it has learned."""
        ...

    def predict_joined(
        self, models: Sequence[LearningModel], batches: Sequence[Sequence[Any]]
    ) -> Sequence[Sequence[Any]]:
        """Do what each model's `predict_batch` would do with its batch."""
        ...

    def learn_joined(
        self, models: Sequence[LearningModel], batches: Sequence[Sequence[Any]]
    ) -> None:
        """Do what each model's `learn_batch` would do; nothing at all if it raises."""
        ...


ModelFactory: TypeAlias = Callable[[], ServedModel]


class Output(NamedTuple):
    """Records for one partition of a topic, in order."""

    topic: str
    partition: int
    records: PackedRecords


Rows: TypeAlias = Sequence[tuple[Span, Sequence[int]]]
"""Rows of n >= 1 record batches of one input partition, ascending."""


class RecordSink(Protocol):
    """Where output records go: Kafka, or a list in a test."""

    async def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has.

        Raises:
            ProduceError: the topic does not exist, or its metadata can't be read.
        """
        ...

    async def send(self, rows: Rows, outputs: Sequence[Output]) -> Awaitable[None]:
        """Queue all that became of some input rows and return what to await for its delivery.

        Args:
            rows: which the outputs finish. Without row numbers: none, they belong to the others.
            outputs: n >= 0, each in order behind what was sent to its partition before.

        Raises:
            ProduceError: they can't be queued. The awaitable raises it too, when the broker
                refuses them for good, and `RecordTooLargeError` when one of them is over the
                limit of the client or the topic: then none of that producer batch was written.
        """
        ...


class ProduceError(RuntimeError):
    """The broker refuses records for good; the message says which topic and why."""


class RecordTooLargeError(ProduceError):
    """A record is larger than its topic, or the client, allows."""
