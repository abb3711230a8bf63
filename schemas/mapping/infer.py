"""Guesses the `fields:` of a topic from sampled values; each guess says what it rests on.

The guesses are for a person to check: only they know which text names the source, and which of
several times is the event's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.errors import InputError
from schemas.mapping.conversions import parsed_number
from schemas.mapping.envelopes import EnvelopeName, open_envelope
from schemas.mapping.frames import describe_envelope
from schemas.mapping.times import FORMATS, UNITS, time_converter

#: 2000-01-01 and 2100-01-01: times outside are no event times.
_EARLIEST_MS, _LATEST_MS = 946_684_800_000, 4_102_444_800_000
_TIME_NAME = re.compile(r"(^|_)(ts|time|timestamp|date|datetime|at|when|epoch)(_|$)|time|stamp")
_SOURCE_NAME = re.compile(r"device|sensor|machine|host|source|station|asset|user|customer|account")
_ID_NAME = re.compile(r"(^|_)(id|uuid|key|name|serial)$|id$")
_TEXT_NAME = re.compile(r"text|body|message|content|comment|description|subject")
_ACTION_NAME = re.compile(r"action|event|verb|operation|kind|type")
_MAX_DEPTH = 6
#: A few bad records among the sample must not hide what the others are.
_MOST = 0.9
_LONG_TEXT = 25  # characters: longer than an id, on average


class Guess(NamedTuple):
    """One entry of `fields:`."""

    key: str
    value: Any
    why: str


class Guesses(NamedTuple):
    """What an agent's settings may be, for the values of one topic."""

    event: str
    envelope: EnvelopeName
    fields: list[Guess]
    notes: list[str]
    """What a person should look at."""


class _Leaf(NamedTuple):
    """What stands under one path, over all values."""

    path: tuple[str, ...]
    values: list[Any]
    """Without those that are null or absent."""

    @property
    def name(self) -> str:
        """The last name, in lower case with underscores."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.path[-1]).lower()


def infer(values: Sequence[Any]) -> Guesses | None:
    """Return guesses for plain values, at least one; None if they are no objects."""
    envelope = _envelope(values)
    opened = [_opened(envelope, value) for value in values]
    objects = [value for value in opened if isinstance(value, dict)]
    if not objects:
        return None
    each, items = _each(objects)
    whole = [] if each is None else _leaves(objects, skip=each)
    leaves = _leaves(items)
    fields = [] if each is None else [Guess("each", _written(each), "a list of objects")]
    time = _time(leaves, "") or _time(whole, "$value")
    source = _source(leaves, "", time) or _source(whole, "$value", time)
    fields += [guess for guess in (source, time) if guess is not None]
    used = {guess.value if isinstance(guess.value, str) else guess.value["path"]
            for guess in (source, time) if guess is not None}  # fmt: skip
    rest = [leaf for leaf in leaves if _written(leaf.path) not in used]
    event, more = _measured(rest, len(items))
    notes = (
        [f"{len(objects)} of {len(values)} values are objects"]
        if len(objects) < len(values)
        else []
    )
    notes += [] if source else ["no path names the source: the record's key does"]
    notes += [] if time else ["no path is a time: Kafka's timestamp of the record is"]
    return Guesses(event, envelope, [*fields, *more], notes)


def _envelope(values: Sequence[Any]) -> EnvelopeName:
    hints = [describe_envelope(value) for value in values]
    for name in ("cloudevents", "connect"):
        if sum(f"envelope: {name}" in hint for hint in hints) > len(values) / 2:
            return name
    return "none"


def _opened(envelope: EnvelopeName, value: Any) -> Any:
    try:
        return open_envelope(envelope, value).value
    except InputError:
        return None


def _each(objects: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...] | None, list[Any]]:
    """Return the path of a list of readings, and its entries; or None and the objects."""
    for name in {name: None for value in objects for name in value}:
        lists = [value[name] for value in objects if isinstance(value.get(name), list)]
        entries = [entry for found in lists for entry in found if isinstance(entry, dict)]
        if len(lists) > len(objects) / 2 and entries and any(map(_has_number, entries)):
            return (name,), entries
    return None, list(objects)


def _has_number(entry: dict[str, Any]) -> bool:
    return any(_is_number(value) for value in entry.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(items: Sequence[Any], skip: tuple[str, ...] | None = None) -> list[_Leaf]:
    found: dict[tuple[str, ...], list[Any]] = {}
    for item in items:
        for path, value in _walk(item, ()):
            if path and path[:1] != skip:
                found.setdefault(path, []).append(value)
    return [_Leaf(path, [v for v in values if v is not None]) for path, values in found.items()]


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and len(path) < _MAX_DEPTH:
        for name, below in value.items():
            yield from _walk(below, (*path, str(name)))
    else:
        yield path, value


def _written(path: Sequence[str], root: str = "") -> str:
    """Return a path as the pipeline file has it."""
    text = root
    for name in path:
        if re.fullmatch(r"[\w-]+", name):
            text += f".{name}" if text else name
        else:
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def _time(leaves: Sequence[_Leaf], root: str) -> Guess | None:
    """Return the first path whose values are all times in one format; names of times go first."""
    ranked = sorted(leaves, key=lambda leaf: not _TIME_NAME.search(leaf.name))
    for leaf in ranked:
        for format in FORMATS:
            is_text = any(isinstance(value, str) for value in leaf.values)
            if not leaf.values or (format != "iso8601" and not _TIME_NAME.search(leaf.name)):
                continue
            share, zoned = _times_of(leaf.values, format, is_text)
            if share >= _MOST * len(leaf.values):
                value: dict[str, Any] = {"path": _written(leaf.path, root), "format": format}
                value |= {} if zoned else {"zone": "UTC"}
                value |= {"numeric_text": True} if is_text and format in UNITS else {}
                why = f"{share} of {len(leaf.values)} values are {format}, e.g. {leaf.values[0]}"
                why += "" if zoned else "; they have no zone, which one is it?"
                return Guess("event_time", value, why)
    return None


def _times_of(values: Sequence[Any], format: str, is_text: bool) -> tuple[int, bool]:
    """Return how many values are times of a format, and whether all have a zone."""
    strict = time_converter(format, None, is_text=is_text)
    num_strict = sum(_is_time(strict, value) for value in values)
    if num_strict >= _MOST * len(values) or format != "iso8601":
        return num_strict, True
    from datetime import UTC

    lax = time_converter(format, UTC, is_text=is_text)
    return sum(_is_time(lax, value) for value in values), False


def _is_time(convert: Callable[[Any], int], value: Any) -> bool:
    try:
        return _EARLIEST_MS <= convert(value) <= _LATEST_MS
    except (InputError, OverflowError):
        return False


def _source(leaves: Sequence[_Leaf], root: str, time: Guess | None) -> Guess | None:
    """Return the path that most likely names the source: by its name, and few different values."""
    ranked: list[tuple[int, _Leaf]] = []
    for leaf in leaves:
        is_time = time is not None and time.value["path"].endswith(_written(leaf.path))
        is_name = all(isinstance(v, str | int) and not isinstance(v, bool) for v in leaf.values)
        if not leaf.values or is_time or not is_name:
            continue
        score = 2 * bool(_SOURCE_NAME.search(leaf.name)) + bool(_ID_NAME.search(leaf.name))
        if score:
            ranked.append((score, leaf))
    if not ranked:
        return None
    score, leaf = max(ranked, key=lambda pair: (pair[0], -len(pair[1].path)))
    num_different = len(set(map(str, leaf.values)))
    why = f"by its name; {num_different} different in {len(leaf.values)} values"
    return Guess("source_id", _written(leaf.path, root), why)


def _measured(leaves: Sequence[_Leaf], num_items: int) -> tuple[str, list[Guess]]:
    """Return the event type, and the guesses for what it measures or holds."""
    texts = [leaf for leaf in leaves if _mean_length(leaf) >= _LONG_TEXT]
    named = [leaf for leaf in texts if _TEXT_NAME.search(leaf.name)]
    numbers = [leaf for leaf in leaves if leaf.values and _share_of_numbers(leaf) >= _MOST]
    if named or (texts and not numbers):
        leaf = max(named or texts, key=_mean_length)
        why = f"text, {_mean_length(leaf):.0f} characters on average"
        return "TextMessage", [Guess("text", _written(leaf.path), why)]
    actions = [leaf for leaf in leaves if _ACTION_NAME.search(leaf.name) and _is_short(leaf)]
    channels = _channels(leaves, numbers, num_items)
    if actions and numbers:
        leaf = actions[0]
        why = f"by its name; {len(set(leaf.values))} different values"
        action = Guess("action", _written(leaf.path), why)
        return "BehaviorEvent", [action, channels._replace(key="features")]
    return "SensorReading", [channels]


def _mean_length(leaf: _Leaf) -> float:
    lengths = [len(value) for value in leaf.values if isinstance(value, str)]
    return sum(lengths) / len(lengths) if len(lengths) == len(leaf.values) and lengths else 0.0


def _is_short(leaf: _Leaf) -> bool:
    return 0 < _mean_length(leaf) < _LONG_TEXT and len(set(leaf.values)) <= max(
        len(leaf.values) // 2, 1
    )


def _share_of_numbers(leaf: _Leaf) -> float:
    return sum(isinstance(value, int | float) for value in leaf.values) / len(leaf.values)


def _channels(leaves: Sequence[_Leaf], numbers: Sequence[_Leaf], num_items: int) -> Guess:
    """Return the guess for the channels: an object that holds most numbers, or single paths."""
    parents: dict[tuple[str, ...], list[_Leaf]] = {}
    for leaf in numbers:
        parents.setdefault(leaf.path[:-1], []).append(leaf)
    if not parents:
        as_text = [
            leaf for leaf in leaves if leaf.values and all(map(_is_number_text, leaf.values))
        ]
        if as_text:
            paths = [_written(leaf.path) for leaf in as_text]
            return Guess("values", paths, "texts that are numbers: needs from and numeric_text")
        return Guess("values", [], "no path holds numbers: fill it in")
    parent, inside = max(parents.items(), key=lambda pair: len(pair[1]))
    if parent:
        others = [
            leaf.path[-1] for leaf in leaves if leaf.path[:-1] == parent and leaf not in inside
        ]
        value: dict[str, Any] = {"from": _written(parent), "include": ["*"]}
        value |= {"exclude": others} if [n for n in others if n] else {}
        why = f"{len(inside)} names with numbers in {num_items} values{_odd(inside)}"
        return Guess("values", value, why)
    rare = [leaf.path[-1] for leaf in inside if len(leaf.values) < num_items]
    why = f"numbers{'; not in every value: ' + ', '.join(rare) if rare else ''}{_odd(inside)}"
    return Guess("values", [_written(leaf.path) for leaf in inside], why)


def _odd(leaves: Sequence[_Leaf]) -> str:
    odd = [leaf.path[-1] for leaf in leaves if _share_of_numbers(leaf) < 1]
    return f"; now and then no number: {', '.join(odd)}" if odd else ""


def _is_number_text(value: Any) -> bool:
    return isinstance(value, str) and _is_number(parsed_number(value))
