"""A pipeline whose model misbehaves on certain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tests.integration.pipelines import Pipeline
from tests.integration.workers import RunningWorker
from tests.waiting import wait_until

HANG, DIE, EXIT, RAISE = 1_000_001, 1_000_002, 1_000_003, 13

_MODEL = '''
"""Answers with twice x; hangs, dies, exits or raises at certain numbers."""
import faulthandler, os, signal, sys, time
from models.base import Model
from schemas import Event, InputError

class Number(Event, frozen=True, kw_only=True):
    x: float

class Refused(InputError):
    reason = "refused"

class Hostile(Model):
    name, event_type = "hostile", Number

    def __init__(self, batch_seconds: float = 0.0, hang: str = "sleep"):
        self.batch_seconds, self.hang = batch_seconds, hang

    def load(self, device="cpu"):
        print("this goes to stdout, from process", os.getpid())
        self.version = "loaded"

    def predict_batch(self, batch):
        numbers = {event.x for event in batch}
        if 1_000_001 in numbers:
            time.sleep(3600)
        if 1_000_002 in numbers:
            os.kill(os.getpid(), signal.SIGSEGV)
        if 1_000_003 in numbers:
            os._exit(7)
        if 13 in numbers:
            raise ArithmeticError("13 brings bad luck")
        time.sleep(self.batch_seconds)
        return [Refused("14 is refused") if e.x == 14 else {"y": 2 * e.x} for e in batch]
'''


def settings_of(pipeline: Pipeline, **agent: Any) -> dict[str, Any]:
    """The pipeline's settings with the hostile model; keywords are settings of its agent."""
    settings = pipeline.settings()
    settings["agents"]["double"].update(
        event="./hostile.py:Number",
        model={"name": "./hostile.py:Hostile", "options": {}},
        **agent,
    )
    return settings


def make_hostile(pipeline: Pipeline, top: Mapping[str, Any] | None = None, **agent: Any) -> None:
    """Write the pipeline file with the hostile model.

    Args:
        pipeline: gets the model.
        top: settings of the top level.
        agent: settings of the agent.
    """
    (pipeline.folder / "hostile.py").write_text(_MODEL)
    settings = {**settings_of(pipeline, **agent), **(top or {})}
    pipeline.config.write_text(yaml.safe_dump(settings))


def await_in_flight(worker: RunningWorker) -> None:
    """Wait until a worker has started and has a record in flight."""
    worker.await_started()
    wait_until("a record is in flight", lambda: worker.accounts()["in_flight"] > 0)
