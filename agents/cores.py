"""How many of the machine's cores each model on the CPU may use.

PyTorch and ONNX Runtime each take all cores by default, and their threads spin while they wait.
Two such models in one worker then slow each other, and every other agent, many times over.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping


def available_cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
