"""Real Prometheus and Alertmanager with the repository's own configuration, and a webhook."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from agents.process.child import ChildProcess
from benchmarks.harness import BENCHMARKS
from benchmarks.harness.running import RunError

CONFIGURATION = BENCHMARKS.parent / "deploy" / "prometheus"
#: Debian's name of Alertmanager, and that of its own archives.
_ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")
_START_SECONDS = 30.0


class Notice(NamedTuple):
    """An alert in a notification that the webhook got."""

    at: float
    """By the monotonic clock, seconds."""
    status: str
    """`firing` or `resolved`."""
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Webhook:
    """A receiver of Alertmanager's notifications, on a free port of this machine."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        notices = self.notices

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    labels = alert["labels"]
                    notice = (alert["status"], labels["alertname"], labels, alert["annotations"])
                    notices.append(Notice(time.monotonic(), *notice))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/alerts"

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Monitoring:
    """A running Prometheus with an Alertmanager."""

    url: str
    """Of Prometheus."""
    webhook: Webhook

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the result of an instant query: series with `metric` and `value`.

        Raises:
            RunError: Prometheus refuses the query.
        """
        address = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        try:
            with urllib.request.urlopen(address, timeout=10) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise RunError(f"{promql}: {error.read().decode()}") from error
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def missing_programs() -> list[str]:
    """Return the programs that this machine lacks."""
    absent = [] if shutil.which("prometheus") else ["prometheus"]
    return absent if _alertmanager() else [*absent, _ALERTMANAGER[0]]


def _alertmanager() -> str | None:
    return next((name for name in _ALERTMANAGER if shutil.which(name)), None)


@contextmanager
def monitoring(folder: Path, targets: Mapping[str, Sequence[str]]) -> Iterator[Monitoring]:
    """Run both programs for the length of a `with` block.

    Intervals, rules and routes are those of `deploy/prometheus/`; only addresses differ.

    Args:
        folder: takes configuration, data and logs.
        targets: `HOST:PORT` of what is scraped, by job.

    Raises:
        RunError: a program is absent, or does not start.
    """
    if absent := missing_programs():
        raise RunError(f"{', '.join(absent)} not found: `make tools` installs it")
    webhook = Webhook()
    ports = free_ports(2)
    prometheus, alertmanager = (f"127.0.0.1:{port}" for port in ports)
    _write(folder / "alertmanager.yml", _alertmanager_settings(webhook.url))
    _write(folder / "prometheus.yml", _prometheus_settings(targets, alertmanager))
    commands = {
        alertmanager: [
            str(_alertmanager()), f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/notices", f"--web.listen-address={alertmanager}",
            "--cluster.listen-address=",
        ],
        prometheus: [
            "prometheus", f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/series", f"--web.listen-address={prometheus}",
        ],
    }  # fmt: skip
    children: list[ChildProcess] = []
    try:
        for address, command in commands.items():
            log = folder / f"{Path(command[0]).name}.log"
            children.append(ChildProcess(command, log))
            _await_ready(children[-1], f"http://{address}/-/ready")
        yield Monitoring(f"http://{prometheus}", webhook)
    finally:
        for child in children:
            child.kill()
        webhook.close()


def _prometheus_settings(targets: Mapping[str, Sequence[str]], alertmanager: str) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    settings["rule_files"] = [str(CONFIGURATION / pattern) for pattern in settings["rule_files"]]
    settings["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
        for job, addresses in targets.items()
    ]
    settings["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return settings


def _alertmanager_settings(webhook: str) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((CONFIGURATION / "alertmanager.yml").read_text())
    for receiver in settings["receivers"]:
        for target in receiver["webhook_configs"]:
            target["url"] = webhook
    return settings


def _write(file: Path, settings: Mapping[str, Any]) -> None:
    file.write_text(yaml.safe_dump(dict(settings), sort_keys=False))


def _await_ready(child: ChildProcess, url: str) -> None:
    def is_ready() -> bool | None:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return True if response.status == 200 else None
        except OSError:
            return None

    if not child.wait_for(is_ready, _START_SECONDS, 0.1):
        raise RunError(f"{url} does not answer: {child.last_lines()}")


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
