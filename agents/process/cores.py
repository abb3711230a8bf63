"""How many of the machine's cores each model on the CPU may use.

PyTorch and ONNX Runtime each take all cores by default, and their threads spin while they wait.
Two such models in one worker then slow each other, and every other agent, many times over.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from streams.affinity import allowed_cores

#: Libraries that compute with threads of their own, outside the interpreter lock.
_LEAVING_THE_LOCK = ("torch", "onnxruntime", "tensorflow", "jax")

_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Return how many cores this process may run on."""
    return len(allowed_cores()) or os.cpu_count() or 1


def cores_worth(cpu_limit: Path = _CPU_LIMIT) -> int:
    """Return how many cores' time this process may use: a container's limit counts, too.

    Args:
        cpu_limit: the file of the Linux control group: microseconds, and of how many.
    """
    cores = available_cores()
    try:
        quota, period = cpu_limit.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return cores


def leaves_the_lock() -> bool:
    """Whether a library is loaded here whose models may use many cores from any thread."""
    return any(name in sys.modules for name in _LEAVING_THE_LOCK)


def share_cores(
    num_models: int, num_cores: int, environment: MutableMapping[str, str] = os.environ
) -> None:
    """Give each model's library its share of the cores, unless the environment says otherwise.

    OpenMP reads these variables when it is loaded, so this comes before the first model's load;
    `models.detection.networks` goes by the same one for ONNX Runtime.

    Args:
        num_models: model copies that compute on the CPU with threads of their own.
        num_cores: that this process may run on.
        environment: to set `OMP_NUM_THREADS` and `OMP_WAIT_POLICY` in.
    """
    environment.setdefault("OMP_NUM_THREADS", str(max(1, num_cores // max(num_models, 1))))
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
