"""A broker in a process of its own, that never outlives the process which started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.kafka.errors import BrokerError

_TETHER = Path(__file__).with_name("tethered.py")
_POLL_SECONDS = 0.01


class BrokerProcess:
    """start -> (stop | kill | restart)*. Start it from a thread that lives as long as it should.

    (Linux ties a child to the thread that made it, not to the whole process.)
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: Callable[[str], str | None],
    ) -> None:
        """Say how to run it; nothing runs yet.

        Args:
            name: for messages: "Apache Kafka".
            command: program and arguments.
            log: where its output goes; appended to.
            ready: given the output since the start, the bootstrap servers, or None: not ready yet.
        """
        self.log = log
        self.bootstrap_servers = ""
        self._name = name
        self._command = list(command)
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0
        """Bytes of the log that are of earlier starts."""

    @property
    def pid(self) -> int:
        """The process's id; -1 where none runs."""
        return self._process.pid if self._process else -1

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 60.0) -> None:
        """Run it and wait until it takes clients.

        Raises:
            BrokerError: it ended, or was not ready in time.
        """
        self.launch()
        self.await_ready(timeout)

    def launch(self) -> None:
        """Run it; `await_ready` is still to be called.

        Raises:
            BrokerError: it runs already.
        """
        if self.is_alive:
            raise BrokerError(f"{self._name} runs already, as process {self.pid}")
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
        with self.log.open("ab") as output:
            # A session of its own: Ctrl-C in the terminal reaches its parent, which stops it.
            self._process = subprocess.Popen(
                [*tether, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def await_ready(self, timeout: float = 60.0) -> None:
        """Wait until it takes clients.

        Raises:
            BrokerError: it ended, or was not ready in time.
        """
        try:
            self._wait_until_ready(time.monotonic() + timeout)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            alive = self.is_alive  # before the log is read: the last words count
            output = self.log.read_bytes()[self._seen :].decode(errors="replace")
            servers = self._ready(output)
            if servers is not None:
                self.bootstrap_servers = servers
                return
            if not alive:
                raise BrokerError(f"{self._name} did not start: {_cause(output)}")
            time.sleep(_POLL_SECONDS)
        raise BrokerError(f"{self._name} was not ready in time: {_cause(output)}")

    def stop(self, timeout: float = 20.0) -> None:
        """End it in order (SIGTERM), by force after `timeout` seconds; nothing if it is down."""
        self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would; nothing if it is down."""
        self._end(signal.SIGKILL, timeout=20.0)

    def restart(self, timeout: float = 60.0) -> None:
        """Stop it if it runs, and start it again.

        Apache Kafka comes back at the same address with its data; the embedded broker comes back
        empty and at another address.
        """
        self.stop()
        self.start(timeout)

    def _end(self, with_signal: signal.Signals, timeout: float) -> None:
        if self._process is None:
            return
        if self.is_alive:
            self._process.send_signal(with_signal)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _cause(output: str) -> str:
    """Return the line of the output that most likely says why."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if any("UnsupportedClassVersionError" in line for line in lines):
        return "this Java is too old: Java 17 or newer is needed"
    for sign in ("Caused by:", "FATAL", "ERROR", "Error", "Exception"):
        telling = [line for line in lines if sign in line]
        if telling:
            return telling[-1][:300]
    return (lines or ["it said nothing"])[-1][:300]
