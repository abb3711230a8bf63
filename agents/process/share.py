"""What one of N worker processes gets of this machine: cores, GPUs, a metrics port, a name."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from agents.errors import UserError
from streams.affinity import allowed_cores, keep_to
from streams.settings import PipelineSettings

T = TypeVar("T")

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_MAX_PORT = 65535


@dataclass(frozen=True)
class Share:
    """One of `count` processes."""

    index: int
    """From 0."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """Return what `2/4` says: the second of four, index 1."""
        number, _, count = text.partition("/")
        return cls(int(number) - 1, int(count))

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return this process's part: neighbours, or one in turn where there are too few."""
        if len(items) < self.count:
            return [items[self.index % len(items)]] if items else []
        first, last = (i * len(items) // self.count for i in (self.index, self.index + 1))
        return items[first:last]

    def take(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Keep this process to its cores and its GPUs.

        Comes before any library that starts threads or counts GPUs is imported.
        """
        keep_to(self.of(allowed_cores()))
        if self.count > 1 and (gpus := self.of(visible_gpus(environment))):
            environment[_VISIBLE] = ",".join(gpus)

    def settings(self, whole: PipelineSettings) -> PipelineSettings:
        """Return a pipeline's settings as this process has them: own port, own client id."""
        if self.count == 1:
            return whole
        port = whole.metrics.port and whole.metrics.port + self.index
        client_id = f"{whole.kafka.get('client.id', 'penstock')}-{self.index + 1}"
        return replace(
            whole,
            kafka={**whole.kafka, "client.id": client_id},
            metrics=replace(whole.metrics, port=port),
        )


def visible_gpus(environment: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """Return the GPUs that CUDA would number from 0, by what `CUDA_VISIBLE_DEVICES` calls them."""
    if _VISIBLE in environment:
        return [gpu.strip() for gpu in environment[_VISIBLE].split(",") if gpu.strip()]
    return [str(i) for i, _ in enumerate(devices.glob("nvidia[0-9]*"))]


def require_room(settings: PipelineSettings, count: int, num_gpus: int) -> None:
    """Check that so many processes can have what the pipeline's file asks for.

    Raises:
        UserError: the last one's metrics port does not exist, or an agent names a GPU that its
            process will not see.
    """
    port = settings.metrics.port
    if port and port + count - 1 > _MAX_PORT:
        raise UserError(
            f"--processes {count}: metrics.port {port} and the next {count - 1} are wanted, and "
            f"there is none over {_MAX_PORT}: set a lower metrics.port, or 0 for any free ones"
        )
    fewest = max(num_gpus // count, 1)
    for name, agent in settings.agents.items():
        _, _, number = agent.device.partition(":")
        if count > 1 and number and int(number) >= fewest:
            raise UserError(
                f"--processes {count}: agent {name} asks for device {agent.device}, but each "
                f"process sees {fewest} of the {num_gpus} GPUs, as cuda:0 and so on: set device "
                "to cuda or auto"
            )
