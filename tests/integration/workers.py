"""A worker process: start it, read its metrics and probes, end it."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.penstock_command import start_penstock
from tests.waiting import wait_for_count, wait_until

#: Seconds for a start, and for a stop: importing torch on a busy machine takes long.
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


@dataclass
class RunningWorker:
    """A worker process. When its test fails, the report shows the end of its log."""

    process: subprocess.Popen[Any]
    log: Path

    def log_text(self) -> str:
        """What it has logged so far."""
        return self.log.read_text()

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def has_started(self) -> bool:
        """Whether its metrics are served; its models may still load.

        Raises:
            AssertionError: the process has ended.
        """
        self._assert_running()
        return "metrics at" in self.log_text()

    def await_started(self) -> None:
        """Wait until its metrics are served; its models may still load."""
        wait_until("the worker has started", self.has_started, _START_SECONDS)

    def await_ready(self, timeout: float = _START_SECONDS) -> None:
        """Wait until `/ready` answers 200."""
        try:
            wait_until("the worker is ready", self.is_ready, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}: /ready says {self.probe('/ready')}") from error

    def await_answered(self, count: int, timeout: float = 30.0) -> None:
        """Wait until it has started and has counted `count` answered records or more."""
        self.await_started()
        wait_for_count("records answered", lambda: self.accounts()["answered"], count, timeout)

    def await_finished(self, count: int, timeout: float = 120.0) -> None:
        """Wait until it has counted `count` outcomes or more and has nothing in flight."""
        self.await_started()
        wait_for_count("records with an outcome", self._num_finished, count, timeout)
        self.await_drained(timeout)

    def await_drained(self, timeout: float = 30.0) -> None:
        """Wait until no record is in flight."""
        wait_until(
            "the worker has no record in flight",
            lambda: self.accounts()["in_flight"] == 0,
            timeout,
        )

    def _num_finished(self) -> int:
        accounts = self.accounts()
        return sum(accounts[outcome] for outcome in ("answered", "dead_lettered", "filtered"))

    def _assert_running(self) -> None:
        code = self.process.poll()
        assert code is None, f"the worker has ended by itself with exit code {code}"

    def stop(self) -> None:
        """End it by SIGTERM.

        Raises:
            AssertionError: its exit code is not 0.
        """
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=_STOP_SECONDS)
        assert code == 0, f"the worker ended with exit code {code} after SIGTERM, expected 0"

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def await_exit(self, code: int, timeout: float = 60.0) -> str:
        """Wait until it ends by itself with that exit code; return its log.

        Raises:
            AssertionError: it ended with another code, or its log holds a traceback.
        """
        actual = self.process.wait(timeout=timeout)
        log = self.log_text()
        assert actual == code, f"the worker ended with exit code {actual}, expected {code}"
        assert "Traceback" not in log, "the worker logged a traceback"
        return log

    def address(self) -> str:
        """The URL of its metrics and probes, without a path."""
        (line,) = (line for line in self.log_text().splitlines() if "metrics at" in line)
        return line.split("metrics at ")[1].split()[0].removesuffix("/metrics")

    def metrics_text(self) -> str:
        """What it exports now, in Prometheus' text format.

        Raises:
            AssertionError: the process has ended.
        """
        self._assert_running()
        return fetch_metrics(self.address())

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """What it exports now, by name and labels."""
        return parse_metrics(self.metrics_text())

    def accounts(self) -> Counter[str]:
        """Records in, and each of their outcomes, over all agents."""
        return accounts_of(self.metrics())

    def probe(self, path: str) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of a probe: `/live` or `/ready`."""
        try:
            with urllib.request.urlopen(self.address() + path, timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def is_ready(self) -> bool:
        """Whether it has started and `/ready` answers 200."""
        return self.has_started() and self.probe("/ready")[0] == 200


def fetch_metrics(address: str) -> str:
    """Return what a worker exports at an address without a path."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as response:
        return str(response.read().decode())


def parse_metrics(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the samples of Prometheus' text format by name and labels."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def accounts_of(metrics: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> Counter[str]:
    """Return records in, and each of their outcomes, over all agents."""
    counts: Counter[str] = Counter()
    for (name, labels), value in metrics.items():
        if name == "penstock_records_in_total":
            counts["in"] += int(value)
        elif name == "penstock_records_total":
            counts[dict(labels)["outcome"]] += int(value)
        elif name == "penstock_records_in_flight":
            counts["in_flight"] += int(value)
    return counts


@contextmanager
def running_worker(
    config: Path,
    *options: str,
    env: dict[str, str] | None = None,
    log_folder: Path | None = None,
) -> Iterator[RunningWorker]:
    """Run `penstock worker` for the length of a `with` block; killed if it still runs then.

    Args:
        config: the pipeline file.
        options: of the command.
        env: environment variables, over those of this process.
        log_folder: takes the log; by default the pipeline file's folder.
    """
    log = (log_folder or config.parent) / f"worker-{uuid.uuid4().hex[:6]}.log"
    process = start_penstock("worker", "-c", str(config), *options, env=env, log=log)
    try:
        yield RunningWorker(process, log)
    finally:
        process.kill()
        process.wait()
