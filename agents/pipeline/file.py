"""Read the pipeline file: YAML in, one frozen `PipelineSettings` out, or errors with their lines.

Each value comes from the file, with `${NAME}` and `${file:/path}` filled in, or from an environment
variable such as `PENSTOCK_KAFKA__BOOTSTRAP_SERVERS`, which overrides the file. What an agent that
Penstock ships leaves out comes from its declaration (`agents.AGENTS`).
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from agents import AGENTS
from agents.pipeline.environment import OverrideError, apply_overrides
from agents.pipeline.references import fill_in, resolve_path
from agents.pipeline.rules import kafka_mistakes, rule_mistakes
from agents.pipeline.validation import Mistake, validate
from agents.pipeline.yaml_lines import Document, DocumentError, Path, read_document
from streams.settings import PipelineSettings

MAX_FILE_BYTES = 256 * 1024
#: Kafka settings that neither the file nor the environment gives.
KAFKA_DEFAULTS = {"bootstrap.servers": "127.0.0.1:9092", "group.id": "penstock"}


class PipelineFileError(ValueError):
    """The pipeline file is not right: one line for each mistake, with file, line and key."""

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


def place_in_file(path: pathlib.Path, keys: Path) -> str:
    """Return where a key of a pipeline file stands: file, line, column and key.

    A key that the file leaves out (inherited, or from the environment) has the place of the nearest
    one above it.
    """
    line, column = _document(path).place(keys, True)
    return f"{path}:{line}:{column}: {_dotted(keys)}"


def _dotted(keys: Path) -> str:
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).removeprefix(".")


def declared_values(settings: Any) -> dict[str, Any]:
    """Return what a settings object states beyond its defaults, as a pipeline file would."""
    values = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            value = declared_values(value)
        elif field.default is not dataclasses.MISSING and value == field.default:
            continue
        if value not in ({}, []):
            values[field.name] = value
    return values


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
    """Turns one file into settings, and knows where each value came from."""

    def __init__(self, path: pathlib.Path, document: Document) -> None:
        self._path, self._document = path, document
        self._variables: dict[Path, str] = {}

    def settings(self, env: Mapping[str, str]) -> PipelineSettings:
        filled = fill_in(self._document.value, env, self._path.parent)
        self._raise_if(filled.mistakes)
        _inherit_declarations(filled.value.get("agents"))
        self._override(filled.value, env)
        _make_texts(filled.value.get("topics"))
        checked = validate(filled.value, frozenset(filled.texts | set(self._variables)))
        if isinstance(checked, list):
            is_kafka_valid = all(mistake.path[:1] != ("kafka",) for mistake in checked)
            kafka = filled.value.get("kafka", {}) if is_kafka_valid else {}
            raise self._error([*checked, *kafka_mistakes(kafka)])
        settings = dataclasses.replace(checked, kafka={**KAFKA_DEFAULTS, **checked.kafka})
        self._raise_if(rule_mistakes(settings))
        return settings

    def _override(self, root: dict[str, Any], env: Mapping[str, str]) -> None:
        # A variable is written where the command is run: its paths start at the current folder.
        here = pathlib.Path.cwd()
        resolved = {name: resolve_path(here, text) for name, text in env.items()}
        try:
            self._variables = apply_overrides(root, resolved)
        except OverrideError as error:
            raise PipelineFileError([str(error)]) from error

    def _raise_if(self, mistakes: Iterable[Mistake]) -> None:
        if all_mistakes := list(mistakes):
            raise self._error(all_mistakes)

    def _error(self, mistakes: Iterable[Mistake]) -> PipelineFileError:
        return PipelineFileError(map(self._line, sorted(mistakes, key=self._place)))

    def _place(self, mistake: Mistake) -> tuple[int, int]:
        return self._document.place(mistake.path, mistake.is_about_key)

    def _line(self, mistake: Mistake) -> str:
        """Return the mistake as one line: the file's place or the variable, the key, what it is."""
        text = ": ".join(filter(None, (_dotted(mistake.path), mistake.message)))
        for path, variable in self._variables.items():
            if mistake.path[: len(path)] == path:
                return f"{variable} (environment): {text}"
        line, column = self._place(mistake)
        return f"{self._path}:{line}:{column}: {text}"


def _inherit_declarations(agents: Any) -> None:
    """Let an agent of a shipped agent's name inherit the keys that it leaves out."""
    for name in agents if isinstance(agents, dict) else ():
        if name in AGENTS and isinstance(agents[name], dict | None):
            agents[name] = _merged(declared_values(AGENTS[name]), agents[name] or {})


def _merged(declared: dict[str, Any], stated: dict[str, Any]) -> dict[str, Any]:
    """Return the declared values with the stated ones over them, mapping by mapping."""
    merged = {**declared, **stated}
    for key, value in stated.items():
        above = declared.get(key)
        if key == "model" and isinstance(above, str):
            above = {"name": above}
        if isinstance(above, dict) and isinstance(value, dict):
            merged[key] = _merged(above, value)
    return merged


def _make_texts(topics: Any) -> None:
    """Let `retention.ms: 60000` be written without quotes, as in Kafka's own files."""
    for topic in topics.values() if isinstance(topics, dict) else ():
        config = topic.get("config") if isinstance(topic, dict) else None
        if isinstance(config, dict):
            numbers = {k: v for k, v in config.items() if isinstance(v, bool | int | float)}
            config.update({k: str(v).lower() for k, v in numbers.items()})
