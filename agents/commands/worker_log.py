"""A worker's log on stderr, without lines that say nothing new.

Left out are the steps of services ("Starting..."), lines that repeat within seconds, and the
errors of every single request during an outage of the broker, which is logged once.

Services are recognized by their lines, not by the names of their modules: a module may move.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from enum import StrEnum

import streams.transport
from agents.errors import UserError

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: Libraries that log each of their steps at INFO.
_CHATTY_LIBRARIES = ("faust", "mode", "aiokafka", "kafka", "asyncio")
#: Loggers of a Kafka client that tries again several times a second, and of what waits for it.
_CLIENT_LIBRARIES = ("aiokafka", "asyncio", "mode.timers")
#: Where Penstock's Kafka clients are: services, too.
_CLIENT_PACKAGE = streams.transport.__name__
#: How mode, the library under Faust, begins every line that a service logs about itself:
#: `[^--Consumer]: Starting...`.
_SERVICE_SIGN = "[^"
_REPEAT_SECONDS = 10.0
#: Lines to remember; then all are forgotten, so that memory is bounded.
_MAX_LINES = 1000
#: Longest message or traceback in a line of JSON: log collectors cut, or refuse, longer lines.
_MAX_CHARACTERS = 8000


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"
    AUTO = "auto"
    """`text` on a terminal, `json` elsewhere."""

    @property
    def is_json(self) -> bool:
        """Whether lines on this process's stderr are JSON."""
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        return self is LogFormat.JSON or (self is LogFormat.AUTO and not is_terminal)


def log_to_stderr(level: str, process: str = "", form: LogFormat = LogFormat.TEXT) -> None:
    """Set up logging.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        process: which of several this is (`2/4`), named in every line; "": the only one.
        form: of the lines.

    Raises:
        UserError: no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise UserError(f"--log-level {level}: expected DEBUG, INFO, WARNING or ERROR")
    logging.basicConfig(level=number, format=(f"[{process}] " if process else "") + _FORMAT)
    for handler in logging.getLogger().handlers:
        if form.is_json:
            handler.setFormatter(JsonLines(process))
        handler.addFilter(is_no_service_step)
        handler.addFilter(NoRepeats())
    for name in _CHATTY_LIBRARIES:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


class JsonLines(logging.Formatter):
    """Writes each message as one JSON object on one line.

    `time` (RFC 3339, UTC, milliseconds), `level`, `logger` and `message`; `process` where there are
    several; `exception` with the traceback where there is one. What is long is cut, as a record may
    hold a megabyte.
    """

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = {"process": process} if process else {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        seconds, milliseconds = divmod(int(record.created * 1000), 1000)
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        fields = {
            "time": f"{clock}.{milliseconds:03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _cut(record.getMessage()),
            **self._process,
        }
        if record.exc_info:
            fields["exception"] = _cut(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "..."


def log_outages_once(is_known: Callable[[], bool]) -> None:
    """Leave out what Kafka clients log while `is_known` returns true."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not (_is_of_client(record) and is_known()))


def log_missing_topics_once(is_watched: Callable[[str], bool]) -> None:
    """Leave out what Kafka clients log about a missing topic: it is logged once.

    Args:
        is_watched: whether a topic is watched, and logged when it is missing.
    """

    def is_new(record: logging.LogRecord) -> bool:
        names = record.args if isinstance(record.args, tuple) else ()
        return not (
            record.name.startswith("aiokafka")
            and any(isinstance(name, str) and is_watched(name) for name in names)
        )

    for handler in logging.getLogger().handlers:
        handler.addFilter(is_new)


def is_no_service_step(record: logging.LogRecord) -> bool:
    """Return false for a line below WARNING that a service logs about itself."""
    return record.levelno >= logging.WARNING or not _is_of_service(record)


def _is_of_service(record: logging.LogRecord) -> bool:
    return str(record.msg).startswith(_SERVICE_SIGN)


def _is_of_client(record: logging.LogRecord) -> bool:
    if record.name.startswith(_CLIENT_LIBRARIES):
        return True
    return record.name.startswith(_CLIENT_PACKAGE) and _is_of_service(record)


class NoRepeats(logging.Filter):
    """Lets the same line through once in ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is new, or its last copy is old."""
        line = (record.name, record.getMessage())
        now = self._clock()
        if now - self._last.get(line, float("-inf")) < _REPEAT_SECONDS:
            return False
        if len(self._last) >= _MAX_LINES:
            self._last.clear()
        self._last[line] = now
        return True


def ignore_unwritable_log() -> None:
    """Drop log lines that can't be written at the end, instead of ending with exit code 120.

    The worker has done its work, whether or not its log can be written.
    """
    atexit.register(_drop_unwritable)


def _drop_unwritable() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
