"""The example pipeline's worker, on topics of the bench."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from agents.commands import PENSTOCK
from agents.errors import UserError
from benchmarks.harness import BENCHMARKS
from benchmarks.harness.running import Job, PreparedContender, RunError
from benchmarks.harness.topics import num_partitions

_EXAMPLE = BENCHMARKS.parent / "examples" / "penstock.yaml"
_LOG_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


def example_agents() -> list[str]:
    """Return the names of the example file's agents."""
    return list(yaml.safe_load(_EXAMPLE.read_text())["agents"])


@dataclass(frozen=True)
class ExamplePipeline:
    """Some of the example file's agents, each between two topics of the bench."""

    servers: str
    name: str
    """The group, and the prefix of the topics."""
    agents: Sequence[str]
    partitions: int
    folder: Path

    @property
    def config(self) -> Path:
        """The pipeline file."""
        return self.folder / "penstock.yaml"

    def input(self, agent: str) -> str:
        """Return an agent's input topic."""
        return f"{self.name}.{agent}"

    def output(self, agent: str) -> str:
        """Return an agent's output topic."""
        return f"{self.name}.{agent}.results"

    @property
    def topics(self) -> list[str]:
        """Every topic that the worker uses."""
        inputs = [self.input(agent) for agent in self.agents]
        outputs = [self.output(agent) for agent in self.agents]
        letters = [f"{topic}.dlq" for topic in inputs]
        others = [f"{self.input(a)}.{kind}" for a in self.agents for kind in ("updates", "state")]
        return [*inputs, *outputs, *letters, *others]

    def create(self) -> None:
        """Write the pipeline file and create its topics.

        Raises:
            UserError: the example file has no such agent.
            RunError: `penstock topics create` failed.
        """
        example = yaml.safe_load(_EXAMPLE.read_text())
        for agent in self.agents:
            if agent not in example["agents"]:
                names = ", ".join(example["agents"])
                raise UserError(f"--agents {agent}: expected some of {names}")
        settings = {
            "kafka": {"bootstrap.servers": self.servers, "group.id": self.name},
            "agents": {agent: self._agent(agent, example) for agent in self.agents},
            "topics": {"default": {"partitions": self.partitions, "config": _LOG_APPEND_TIME}},
            "metrics": {"port": 0},
        }
        self.config.write_text(yaml.safe_dump(settings, sort_keys=False))
        command = [*PENSTOCK, "topics", "create", "-c", str(self.config)]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise RunError(f"can't create the topics: {(done.stderr or done.stdout).strip()}")

    def _agent(self, agent: str, example: dict[str, Any]) -> dict[str, Any]:
        settings = dict(example["agents"][agent] or {})
        settings |= {"input": self.input(agent), "output": self.output(agent)}
        if "updates" in settings:
            settings["updates"] = f"{self.input(agent)}.updates"
        return settings

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions a topic really has."""
        return num_partitions(self.servers, topic)

    def worker(self, processes: int) -> PreparedContender:
        """Return a worker that can be started, with its log at INFO."""
        options = ["-c", str(self.config), "--processes", str(processes)]
        command = [*PENSTOCK, "worker", *options]
        return PreparedContender(version("penstock"), lambda _: command, lambda _: _environment())

    def job(self) -> Job:
        """Return the run's job: the worker reads its pipeline file instead."""
        first = self.agents[0]
        return Job(self.servers, self.input(first), self.output(first), self.name, "example",
                   self.partitions, str(self.folder))  # fmt: skip


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS.parent), str(BENCHMARKS)])}
