"""Look at this machine: Python, packages, limits, devices."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from agents.commands.doctor.finding import Finding
from agents.pipeline.parts import choose_devices, load_agent
from models.base import ModelError
from streams.settings import PipelineSettings

_LEAST_PYTHON = (3, 11)
#: A worker holds a connection or two to each broker, and files of models and state.
_LEAST_FILES = 1024
_DRIVER = Path("/dev/nvidiactl")


def look_at_machine(settings: PipelineSettings, base_dir: Path) -> Iterator[Finding]:
    """Yield what is found on this machine."""
    yield _python()
    yield _packages()
    yield _open_files()
    yield from _devices(settings, base_dir)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _LEAST_PYTHON:
        return Finding("python", "problem", version, "install Python 3.11 or newer")
    return Finding("python", "ok", version)


def _packages() -> Finding:
    """Compare the installed packages with what Penstock requires."""
    from packaging.requirements import Requirement

    wrong = []
    for line in metadata.requires("penstock") or ():
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{needed.name} is absent")
            continue
        if not needed.specifier.contains(version, prereleases=True):
            wrong.append(f"{needed.name} is {version}, expected {needed.specifier}")
    if wrong:
        return Finding("packages", "problem", "; ".join(wrong), "install Penstock again")
    return Finding("packages", "ok", f"penstock {metadata.version('penstock')} and what it needs")


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _LEAST_FILES:
        return Finding(
            "open files",
            "warning",
            f"at most {soft}",
            f"raise the limit (ulimit -n {_LEAST_FILES})",
        )
    return Finding("open files", "ok", f"at most {'any number' if soft < 0 else soft}")


def _devices(settings: PipelineSettings, base_dir: Path) -> Iterator[Finding]:
    """Say where each agent's model runs."""
    for name, agent in settings.agents.items():
        what = f"device of {name}"
        try:
            wanted = choose_devices(agent.device, load_agent(agent, base_dir).model_type)
        except ModelError as error:
            yield Finding(what, "problem", str(error), "correct the pipeline file")
            continue
        if wanted[0] == "cpu":
            yield Finding(what, "ok", "cpu")
        elif not _DRIVER.exists():
            yield Finding(
                what, "problem", f"{wanted[0]}, and NVIDIA's driver is not here",
                "install the driver, or set device: cpu",
            )  # fmt: skip
        else:
            yield _cuda(what, wanted[0])


def _cuda(what: str, device: str) -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding(
            what, "problem", f"{device}, and torch {torch.__version__} can't use CUDA here",
            "install a torch with CUDA for this driver (`nvidia-smi` prints its version)",
        )  # fmt: skip
    index = int(device.partition(":")[2] or 0)
    if index >= torch.cuda.device_count():
        return Finding(
            what, "problem", f"{device}, and there are {torch.cuda.device_count()} GPUs",
            "correct device in the pipeline file",
        )  # fmt: skip
    free, total = torch.cuda.mem_get_info(index)
    found = (
        f"{torch.cuda.get_device_name(index)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    )
    return Finding(what, "ok", found)
