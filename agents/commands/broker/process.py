"""A broker in a child process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agents.process.child import ChildProcess
from streams.kafka.errors import BrokerError


class BrokerProcess:
    """start -> (stop | kill | restart)*. Start it from a thread that lives as long as it should."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: Callable[[str], str | None],
    ) -> None:
        """Keep how to run it; nothing runs yet.

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
        self._child: ChildProcess | None = None

    @property
    def pid(self) -> int:
        """The process id; -1 if none runs."""
        return self._child.pid if self._child else -1

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.is_alive

    def start(self, timeout: float = 60.0) -> None:
        """Run it and wait until clients can connect.

        Raises:
            BrokerError: it ended, or was not ready in time.
        """
        self.launch()
        self.await_ready(timeout)

    def launch(self) -> None:
        """Run it without waiting; call `await_ready` next.

        Raises:
            BrokerError: it runs already.
        """
        if self.is_alive:
            raise BrokerError(f"{self._name} runs already, as process {self.pid}")
        self._child = ChildProcess(self._command, self.log)

    def await_ready(self, timeout: float = 60.0) -> None:
        """Wait until clients can connect.

        Raises:
            BrokerError: it ended, or was not ready in time.
        """
        child = self._child
        assert child is not None, "launch comes first"
        try:
            servers = child.wait_for(lambda: self._ready(child.output()), timeout)
            if servers is None:
                problem = "was not ready in time" if child.is_alive else "did not start"
                raise BrokerError(f"{self._name} {problem}: {_cause(child.output())}")
        except BaseException:
            self.kill()
            raise
        self.bootstrap_servers = servers

    def stop(self, timeout: float = 20.0) -> None:
        """End it in order (SIGTERM), by force after `timeout` seconds; nothing if it is down."""
        if self._child is not None:
            self._child.stop(timeout)
        self._child = None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would; nothing if it is down."""
        if self._child is not None:
            self._child.kill()
        self._child = None

    def restart(self, timeout: float = 60.0) -> None:
        """Stop it if it runs, and start it again.

        Apache Kafka comes back at the same address with its data; the embedded broker comes back
        empty and at another address.
        """
        self.stop()
        self.start(timeout)


def _cause(output: str) -> str:
    """Return the line of the output that most likely gives the reason."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if any("UnsupportedClassVersionError" in line for line in lines):
        return "this Java is too old: Java 17 or newer is needed"
    for sign in ("Caused by:", "FATAL", "ERROR", "Error", "Exception"):
        matching = [line for line in lines if sign in line]
        if matching:
            return matching[-1][:300]
    return (lines or ["it printed nothing"])[-1][:300]
