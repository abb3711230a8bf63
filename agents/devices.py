"""Which device `device: auto` means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.base import Model

#: The NVIDIA driver's own device node: told without importing torch, which takes seconds.
_DRIVER = Path("/dev/nvidiactl")


def choose_device(wanted: str, model_type: type[Model[Any, Any]]) -> str:
    """Return `cpu` or `cuda:N` for an agent's `device:`.

    `auto` is the first GPU where there is one and the model can use it, else the CPU.
    """
    if wanted != "auto":
        return "cuda:0" if wanted == "cuda" else wanted
    return "cuda:0" if model_type.uses_gpu and _DRIVER.exists() else "cpu"
