"""Apply environment variables over the pipeline file.

`PENSTOCK_AGENTS__DETECT_OBJECTS__BATCH__MAX_BATCH_SIZE=64` sets `max_batch_size` of that agent's
`batch`: two underscores go one level down, letters are read in either case, and one underscore
stands for `_`, `.` or `-`. A variable without two underscores is not an override.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from agents.pipeline.validation import branches, did_you_mean, type_below
from agents.pipeline.yaml_lines import Path, read_scalar
from streams.settings import PipelineSettings

PREFIX = "PENSTOCK_"


class OverrideError(ValueError):
    """A variable that matches no setting; the message names the variable."""


def apply_overrides(root: dict[str, Any], env: Mapping[str, str]) -> dict[Path, str]:
    """Write the environment's values into a pipeline file's plain values.

    Args:
        root: changed in place.
        env: all variables; those that are not overrides are skipped.

    Returns:
        The path of each value that was set -> the variable that set it.

    Raises:
        OverrideError: a variable matches no setting, or more than one.
    """
    # A shorter name first: MODEL replaces the model, MODEL__OPTIONS__PATH then adds to it.
    names = sorted(n for n in env if n.upper().startswith(PREFIX) and "__" in n[len(PREFIX) :])
    return {_Override(root, name).set(env[name]): name for name in names}


class _Override:
    """One variable on its way down the settings."""

    def __init__(self, root: dict[str, Any], variable: str) -> None:
        self._root, self._variable = root, variable

    def set(self, text: str) -> Path:
        """Write the value and return its path."""
        *above, last = self._variable[len(PREFIX) :].split("__")
        here: Any = self._root
        annotation: Any = PipelineSettings
        path: Path = ()
        for segment in above:
            key = self._key(here, annotation, path, segment)
            path, annotation = (*path, key), type_below(annotation, key)
            here[key] = here = _as_mapping(here.get(key), annotation)
        key = self._key(here, annotation, path, last)
        here[key] = _value(text, type_below(annotation, key))
        return (*path, key)

    def _key(self, here: dict[str, Any], annotation: Any, path: Path, segment: str) -> str:
        """Return the key that a segment of the variable's name means."""
        for branch in branches(annotation):
            if dataclasses.is_dataclass(branch):
                fields = [field.name for field in dataclasses.fields(branch)]
                return self._match(segment, fields, path)
            if get_origin(branch) is dict:
                value_type = get_args(branch)[1]
                topics = _topics(self._root) if path == ("topics",) else []
                known = list(dict.fromkeys([*here, *topics]))
                if _takes_any_key(value_type) and not _matches(segment, known):
                    # Kafka's names have dots; a model's options are Python's names.
                    return segment.lower().replace("_", "_" if value_type is Any else ".")
                return self._match(segment, known, path)
        raise OverrideError(f"{self._variable}: {_dotted(path)} has no settings below it")

    def _match(self, segment: str, known: list[str], path: Path) -> str:
        matching = _matches(segment, known)
        where = f"in {_dotted(path)}" if path else "in a pipeline file"
        if len(matching) > 1:
            raise OverrideError(f"{self._variable}: {' and '.join(matching)} {where} both match")
        if not matching:
            name = segment.lower()
            raise OverrideError(
                f"{self._variable}: no setting '{name}' {where}{did_you_mean(name, known)}"
            )
        return matching[0]


def _matches(segment: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if _plain(name) == _plain(segment)]


def _plain(name: str) -> str:
    return re.sub(r"[.-]", "_", name.lower())


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _topics(root: dict[str, Any]) -> list[str]:
    """Return the keys that `topics` may have: `default`, and the topics that the agents name."""
    agents = root.get("agents")
    settings = agents.values() if isinstance(agents, dict) else ()
    keys = ("input", "output", "updates", "dead_letters")
    named = [a[key] for a in settings if isinstance(a, dict) for key in keys if key in a]
    topics = [t for topic in named for t in (topic if isinstance(topic, list) else [topic])]
    return ["default", *map(str, topics)]


def _as_mapping(value: Any, annotation: Any) -> dict[str, Any]:
    """Return the mapping that is there, made if it is absent; `model: name` is short for one."""
    if isinstance(value, dict):
        return value
    return {"name": value} if isinstance(value, str) and str in branches(annotation) else {}


def _value(text: str, annotation: Any) -> Any:
    if text == "null" and type(None) in branches(annotation):
        return None
    if _is_list(text, annotation):
        return [part.strip() for part in text.split(",") if part.strip()]
    return _as_scalar(text) if _is_untyped(annotation) else text


def _is_list(text: str, annotation: Any) -> bool:
    """Return whether the text is a list; where a single text is allowed too, a comma decides."""
    may_be_list = any(get_origin(branch) is list for branch in branches(annotation))
    return may_be_list and ("," in text or str not in branches(annotation))


def _takes_any_key(value_type: Any) -> bool:
    """Return whether a mapping of these values takes any key: Kafka's settings, model options."""
    return _is_untyped(value_type) or value_type is str


def _is_untyped(annotation: Any) -> bool:
    """Return whether only the value shows its type: anything, or a union of all scalars."""
    return annotation is Any or {str, int, float, bool} <= set(branches(annotation))


def _as_scalar(text: str) -> Any:
    """Return the scalar that the text means if it prints as it was written, else the text.

    So the password `007` stays a text.
    """
    value = read_scalar(text)
    is_same = str(value).lower() == text.lower()
    return value if is_same else text
