"""Which device `device: auto` means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.base import Model

#: The NVIDIA driver's own device node: told without importing torch, which takes seconds.
_DRIVER = Path("/dev/nvidiactl")


def choose_devices(
    wanted: str, model_type: type[Model[Any, Any]], driver: Path = _DRIVER
) -> list[str]:
    """Return where an agent's model may be loaded, best first: `cuda:N`, `cpu`.

    `auto` is the first GPU where there is one and the model can use it, and the CPU if that does
    not work; any other device is meant, and so is the only one.
    """
    if wanted != "auto":
        return ["cuda:0" if wanted == "cuda" else wanted]
    return ["cuda:0", "cpu"] if model_type.uses_gpu and driver.exists() else ["cpu"]
