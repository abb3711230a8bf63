"""Asking a running worker's probes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.integration.running import RunningWorker


def is_serving(worker: RunningWorker) -> bool:
    """Whether the worker has said where its probes are."""
    return "metrics at" in worker.log.read_text()


def probe(worker: RunningWorker, path: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON that a probe answers with."""
    (line,) = (x for x in worker.log.read_text().splitlines() if "metrics at" in x)
    address = line.split("metrics at ")[1].removesuffix("/metrics") + path
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def is_ready(worker: RunningWorker) -> bool:
    """Whether the worker is ready."""
    return is_serving(worker) and probe(worker, "/ready")[0] == 200
