"""What one of N worker processes gets of this machine: cores, GPUs, a name.

And what each model of a process gets of its cores. PyTorch and ONNX Runtime each take all cores by
default, and their threads spin while they wait. Two such models in one worker then slow each
other, and every other agent, many times over.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from agents.errors import UserError
from streams.settings import PipelineSettings

T = TypeVar("T")

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def allowed_cores() -> list[int]:
    """Return the cores that the calling thread may run on, ascending; [] outside Linux."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def available_cores() -> int:
    """Return how many cores this process may run on."""
    return len(allowed_cores()) or os.cpu_count() or 1


def usable_cores(cpu_limit: Path = _CPU_LIMIT) -> int:
    """Return how many cores' time this process may use, by a container's CPU limit too.

    Args:
        cpu_limit: the file of the Linux control group: microseconds of CPU time, and in how many.
    """
    cores = available_cores()
    try:
        quota, period = cpu_limit.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return cores


def share_cores(
    num_models: int, num_cores: int, environment: MutableMapping[str, str] = os.environ
) -> None:
    """Give each model's library its share of the cores, unless the environment sets it.

    Call it before the first model is loaded: OpenMP reads these variables when it is loaded, and
    `models.detection.networks` reads `OMP_NUM_THREADS` for ONNX Runtime.

    Args:
        num_models: model copies that compute on the CPU with their library's threads.
        num_cores: that this process may run on.
        environment: to set `OMP_NUM_THREADS` and `OMP_WAIT_POLICY` in.
    """
    environment.setdefault("OMP_NUM_THREADS", str(max(1, num_cores // max(num_models, 1))))
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@dataclass(frozen=True)
class Share:
    """One of `count` processes."""

    index: int
    """From 0."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """Return the share that `2/4` names: the second of four, index 1."""
        number, _, count = text.partition("/")
        return cls(int(number) - 1, int(count))

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return this process's part: neighbors, or one item in turn if there are too few."""
        if len(items) < self.count:
            return [items[self.index % len(items)]] if items else []
        first, last = (i * len(items) // self.count for i in (self.index, self.index + 1))
        return items[first:last]

    def take(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Limit this process to its cores and its GPUs.

        Call it before any library that starts threads or counts GPUs is imported.
        """
        _limit_to(self.of(allowed_cores()))
        if self.count > 1 and (gpus := self.of(visible_gpus(environment))):
            environment[_VISIBLE] = ",".join(gpus)

    def settings(self, whole: PipelineSettings) -> PipelineSettings:
        """Return the pipeline's settings with this process's names in Kafka and its memory."""
        if self.count == 1:
            return whole
        names = {"client.id": whole.kafka.get("client.id", "penstock")}
        if "group.instance.id" in whole.kafka:  # of which the group has one member
            names["group.instance.id"] = whole.kafka["group.instance.id"]
        numbered = {name: f"{value}-{self.index + 1}" for name, value in names.items()}
        return replace(
            whole,
            kafka={**whole.kafka, **numbered},
            input_buffer_max_bytes=max(whole.input_buffer_max_bytes // self.count, 1),
        )


def _limit_to(cores: Collection[int]) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def visible_gpus(environment: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """Return the GPUs that CUDA numbers from 0, by their names in `CUDA_VISIBLE_DEVICES`."""
    if _VISIBLE in environment:
        return [gpu.strip() for gpu in environment[_VISIBLE].split(",") if gpu.strip()]
    return [str(i) for i, _ in enumerate(devices.glob("nvidia[0-9]*"))]


def require_room(settings: PipelineSettings, count: int, num_gpus: int) -> None:
    """Check that the machine can give so many processes what the pipeline file asks for.

    Raises:
        UserError: an agent names a GPU that its process will not see.
    """
    fewest = max(num_gpus // count, 1)
    for name, agent in settings.agents.items():
        _, _, number = agent.device.partition(":")
        if count > 1 and number and int(number) >= fewest:
            raise UserError(
                f"--processes {count}: agent {name} asks for device {agent.device}, but each "
                f"process sees {fewest} of the {num_gpus} GPUs, as cuda:0 and so on: set device "
                "to cuda or auto"
            )
