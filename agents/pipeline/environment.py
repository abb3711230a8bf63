"""Environment variables over the pipeline file, as twelve-factor applications have it.

`PENSTOCK_AGENTS__DETECT_OBJECTS__BATCH__MAX_BATCH_SIZE=64` sets `max_batch_size` of that agent's
`batch`: two underscores go one level down, letters are read in either case, and one underscore
stands for `_`, `.` or `-`. A variable without two underscores is none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from agents.pipeline.conversion import branches, did_you_mean
from agents.pipeline.yaml_lines import Path, read_scalar
from streams.settings import PipelineSettings

PREFIX = "PENSTOCK_"


class OverrideError(ValueError):
    """A variable that names no setting; the message names the variable."""


def apply_overrides(root: dict[str, Any], env: Mapping[str, str]) -> dict[Path, str]:
    """Write the environment's values into a pipeline file's plain values.

    Args:
        root: changed in place.
        env: all variables; those that are no override are passed over.

    Returns:
        The path of each value that was set -> the variable that set it.

    Raises:
        OverrideError: a variable matches no setting, or more than one.
    """
    # A shorter name first: MODEL replaces the model, MODEL__OPTIONS__PATH then adds to it.
    names = sorted(n for n in env if n.upper().startswith(PREFIX) and "__" in n[len(PREFIX) :])
    return {_set(root, name, env[name]): name for name in names}


def _set(root: dict[str, Any], variable: str, text: str) -> Path:
    *above, last = variable[len(PREFIX) :].split("__")
    here: Any = root
    wanted: Any = PipelineSettings
    path: Path = ()
    for segment in above:
        key, wanted = _find(root, here, wanted, path, segment, variable)
        path = (*path, key)
        here[key] = here = _opened(here.get(key), wanted)
    key, wanted = _find(root, here, wanted, path, last, variable)
    here[key] = _value(text, wanted)
    return (*path, key)


def _value(text: str, wanted: Any) -> Any:
    if text == "null" and type(None) in branches(wanted):
        return None
    if _is_listed(text, wanted):
        return [part.strip() for part in text.split(",") if part.strip()]
    return _canonical(text) if _is_untyped(wanted) else text


def _is_listed(text: str, wanted: Any) -> bool:
    """Whether the text stands for a list; where a single text may stand too, a comma tells."""
    may_be_list = any(get_origin(branch) is list for branch in branches(wanted))
    return may_be_list and ("," in text or str not in branches(wanted))


def _find(
    root: dict[str, Any], here: Any, wanted: Any, path: Path, segment: str, variable: str
) -> tuple[str, Any]:
    """Return the key that the segment means, and the type of what stands under it."""
    for branch in branches(wanted):
        if isinstance(branch, type) and issubclass(branch, msgspec.Struct):
            hints = get_type_hints(branch, include_extras=True)
            key = _match(segment, branch.__struct_fields__, path, variable)
            return key, hints[key]
        if get_origin(branch) is dict:
            value_type = get_args(branch)[1]
            known = list(dict.fromkeys([*here, *(_topics(root) if path == ("topics",) else ())]))
            if _is_free(value_type) and not _matches(segment, known):
                # Kafka's own settings have dots; a model's options are Python's names.
                return segment.lower().replace("_", "_" if value_type is Any else "."), value_type
            return _match(segment, known, path, variable), value_type
    raise OverrideError(f"{variable}: {_dotted(path)} has no settings below it")


def _match(segment: str, known: Iterable[str], path: Path, variable: str) -> str:
    known = list(known)
    found = _matches(segment, known)
    where = f"in {_dotted(path)}" if path else "in a pipeline file"
    if len(found) > 1:
        raise OverrideError(f"{variable}: {' and '.join(found)} {where} both match")
    if not found:
        hint = did_you_mean(segment.lower(), known)
        raise OverrideError(f"{variable}: no setting '{segment.lower()}' {where}{hint}")
    return found[0]


def _matches(segment: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if _plain(name) == _plain(segment)]


def _plain(name: str) -> str:
    return re.sub(r"[.-]", "_", name.lower())


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _topics(root: dict[str, Any]) -> list[str]:
    """Return what may stand under `topics`: `default`, and the topics that the agents name."""
    agents = root.get("agents")
    settings = agents.values() if isinstance(agents, dict) else ()
    keys = ("input", "output", "updates", "dead_letters")
    named = [a[key] for a in settings if isinstance(a, dict) for key in keys if key in a]
    topics = [t for topic in named for t in (topic if isinstance(topic, list) else [topic])]
    return ["default", *map(str, topics)]


def _opened(value: Any, wanted: Any) -> Any:
    """Return the mapping that stands there, made if it is absent; `model: name` is one in short."""
    if isinstance(value, dict):
        return value
    return {"name": value} if isinstance(value, str) and str in branches(wanted) else {}


def _is_free(wanted: Any) -> bool:
    """Whether a mapping of such values takes any key: Kafka's settings and models' options."""
    return _is_untyped(wanted) or wanted is str


def _is_untyped(wanted: Any) -> bool:
    """Whether only the value itself tells its type: anything, or a union of all scalars."""
    return wanted is Any or {str, int, float, bool} <= set(branches(wanted))


def _canonical(text: str) -> Any:
    """Return the scalar that the text means if it prints as it was written, else the text.

    So the password `007` stays a text.
    """
    value = read_scalar(text)
    is_same = str(value).lower() == text.lower()
    return value if is_same else text
