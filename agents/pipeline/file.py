"""The pipeline file: YAML in, one frozen `PipelineSettings` out, or errors that name the line.

Each value comes from the file, filled in by `${NAME}` and `${file:/path}`, or from an environment
variable such as `PENSTOCK_KAFKA__BOOTSTRAP_SERVERS` that goes before it.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from agents.pipeline.conversion import Mistake, Shaper
from agents.pipeline.environment import OverrideError, apply_overrides
from agents.pipeline.references import against, fill_in
from agents.pipeline.rules import wiring_mistakes
from agents.pipeline.yaml_lines import Document, DocumentError, Path, read_document
from streams.settings import PipelineSettings

MAX_FILE_BYTES = 256 * 1024
#: What holds unless the file or the environment says otherwise.
KAFKA_DEFAULTS = {"bootstrap.servers": "127.0.0.1:9092", "group.id": "penstock"}


class PipelineFileError(ValueError):
    """The pipeline file is not right: one line a mistake, each with file, line and key."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


def load_pipeline(path: pathlib.Path, env: Mapping[str, str] = os.environ) -> PipelineSettings:
    """Read, complete and check a pipeline file.

    Args:
        path: of the file. Paths in it that start with `./` or `../` are relative to its folder.
        env: for overrides and `${NAME}`.

    Returns:
        The settings, every relative path made absolute, `KAFKA_DEFAULTS` filled in.

    Raises:
        PipelineFileError: with every mistake that could be found, in the order of the lines.
    """
    return _Loader(path, _document(path)).settings(env)


def _document(path: pathlib.Path) -> Document:
    try:
        document = read_document(_text(path))
    except DocumentError as error:
        place = error.place
        raise PipelineFileError([f"{path}:{place.line}:{place.column}: {error}"]) from error
    if not isinstance(document.value, dict):
        raise PipelineFileError([f"{path}:1:1: expected a mapping with the key 'agents'"])
    return document


def _text(path: pathlib.Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        hint = "name a pipeline file with -c FILE or PENSTOCK_CONFIG"
        raise PipelineFileError([f"{path}: no such file: {hint}"]) from error
    except OSError as error:
        raise PipelineFileError([f"{path}: can't be read: {error.strerror}"]) from error
    if len(content) > MAX_FILE_BYTES:
        raise PipelineFileError([f"{path}: more than {MAX_FILE_BYTES} bytes: not a pipeline file"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PipelineFileError([f"{path}:{line}:1: not UTF-8 text"]) from error


class _Loader:
    """One file on its way to settings: knows where each value came from."""

    def __init__(self, path: pathlib.Path, document: Document) -> None:
        self._path, self._document = path, document
        self._variables: dict[Path, str] = {}

    def settings(self, env: Mapping[str, str]) -> PipelineSettings:
        filled = fill_in(self._document.value, env, self._path.parent)
        self._raise_if(filled.mistakes)
        self._override(filled.value, env)
        _make_texts(filled.value.get("topics"))
        shaper = Shaper(frozenset(filled.texts | set(self._variables)))
        found = shaper.convert(filled.value, PipelineSettings)
        self._raise_if(shaper.mistakes)
        self._raise_if(wiring_mistakes(found))
        settings: PipelineSettings = found
        return msgspec.structs.replace(settings, kafka={**KAFKA_DEFAULTS, **settings.kafka})

    def _override(self, root: dict[str, Any], env: Mapping[str, str]) -> None:
        # A variable is written where the command is run: its paths start at the current folder.
        here = pathlib.Path.cwd()
        try:
            self._variables = apply_overrides(root, {k: against(here, v) for k, v in env.items()})
        except OverrideError as error:
            raise PipelineFileError([str(error)]) from error

    def _raise_if(self, mistakes: Iterable[Mistake]) -> None:
        ordered = sorted(mistakes, key=self._line)
        if ordered:
            raise PipelineFileError([self._in_words(mistake) for mistake in ordered])

    def _line(self, mistake: Mistake) -> int:
        return self._document.place(mistake.path, mistake.is_about_key).line

    def _in_words(self, mistake: Mistake) -> str:
        key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in mistake.path)
        told = ": ".join(filter(None, (key.removeprefix("."), mistake.message)))
        for path, variable in self._variables.items():
            if mistake.path[: len(path)] == path:
                return f"{variable} (environment): {told}"
        place = self._document.place(mistake.path, mistake.is_about_key)
        return f"{self._path}:{place.line}:{place.column}: {told}"


def _make_texts(topics: Any) -> None:
    """Let `retention.ms: 60000` be written without quotes, as Kafka's own files have it."""
    for topic in topics.values() if isinstance(topics, dict) else ():
        config = topic.get("config") if isinstance(topic, dict) else None
        if isinstance(config, dict):
            numbers = {k: v for k, v in config.items() if isinstance(v, bool | int | float)}
            config.update({k: str(v).lower() for k, v in numbers.items()})
