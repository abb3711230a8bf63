"""Guesses the `fields:` of a topic from sampled values; each guess says what it rests on.

The guesses are for a person to check: only they know which text names the source, and which of
several times is the event's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, NamedTuple

from schemas.errors import InputError
from schemas.mapping.envelopes import EnvelopeName, open_envelope
from schemas.mapping.frames import describe_envelope
from schemas.mapping.guessed_channels import Guess, guess_channels, is_number, share_of_numbers
from schemas.mapping.leaves import Leaf, leaves_of, written
from schemas.mapping.times import FORMATS, UNITS, time_converter

#: 2000-01-01 and 2100-01-01: times outside are no event times.
_EARLIEST_MS, _LATEST_MS = 946_684_800_000, 4_102_444_800_000
_TIME_NAME = re.compile(r"(^|_)(ts|time|timestamp|date|datetime|at|when|epoch)(_|$)|time|stamp")
_SOURCE_NAME = re.compile(r"device|sensor|machine|host|source|station|asset|user|customer|account")
_ID_NAME = re.compile(r"(^|_)(id|uuid|key|name|serial)$|id$")
_TEXT_NAME = re.compile(r"text|body|message|content|comment|description|subject")
_ACTION_NAME = re.compile(r"action|event|^ev$|verb|operation|kind|type")
#: A few bad records among the sample must not hide what the others are.
_MOST = 0.9
#: A name in fewer of the values is a slip.
_RARE = 0.05
#: Data URLs, and JPEG, PNG and WebP in base64.
_PICTURES = ("data:image/", "/9j/", "iVBORw0KGgo", "UklGR")
_LONG_TEXT = 25  # characters: longer than an id, on average


class Guesses(NamedTuple):
    """What an agent's settings may be, for the values of one topic."""

    event: str
    envelope: EnvelopeName
    fields: list[Guess]
    notes: list[str]
    """What a person should look at."""


def infer(values: Sequence[Any]) -> Guesses | None:
    """Return guesses for plain values, at least one; None if they are no objects."""
    envelope = _envelope(values)
    opened = [_opened(envelope, value) for value in values]
    objects: list[Any] = [value for value in opened if isinstance(value, dict)]
    lists: list[Any] = [value for value in opened if isinstance(value, list)]
    if len(lists) > len(objects):  # the value is the list of readings itself
        each, objects, whole = "$value", lists, []
        items: list[Any] = [entry for value in lists for entry in value if isinstance(entry, dict)]
    else:
        name, items = _each(objects)
        each = written(name or ())
        whole = leaves_of(objects, skip=name) if name else []
    if not items:
        return None
    leaves = leaves_of(items)
    fields = [Guess("each", each, "a list of objects")] if each else []
    time = _time(leaves, "") or _time(whole, "$value")
    source = _source(leaves, "", time) or _source(whole, "$value", time)
    fields += [guess for guess in (source, time) if guess is not None]
    used = {guess.value if isinstance(guess.value, str) else guess.value["path"]
            for guess in (source, time) if guess is not None}  # fmt: skip
    rest = [leaf for leaf in leaves if written(leaf.path) not in used]
    event, more = _measured(rest, leaves, len(items))
    notes = (
        [f"{len(objects)} of {len(values)} values are {'lists' if lists is objects else 'objects'}"]
        if len(objects) < len(values)
        else []
    )
    is_event = envelope == "cloudevents"  # its envelope has a source and a time
    key, timestamp = "the record's key does", "Kafka's timestamp of the record is"
    key += ", else the envelope's source" if is_event else ""
    timestamp = f"the envelope's time is, else {timestamp}" if is_event else timestamp
    notes += [] if source else [f"no path names the source: {key}"]
    notes += [] if time else [f"no path is a time: {timestamp}"]
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
    return any(is_number(value) for value in entry.values())


def _time(leaves: Sequence[Leaf], root: str) -> Guess | None:
    """Return the first path whose values are all times in one format; names of times go first."""
    ranked = sorted(leaves, key=lambda leaf: not _TIME_NAME.search(leaf.name))
    for leaf in ranked:
        for format in FORMATS:
            is_text = any(isinstance(value, str) for value in leaf.values)
            if not leaf.values or (format != "iso8601" and not _TIME_NAME.search(leaf.name)):
                continue
            share, zoned = _times_of(leaf.values, format, is_text)
            if share >= _MOST * len(leaf.values):
                value: dict[str, Any] = {"path": written(leaf.path, root), "format": format}
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
    lax = time_converter(format, UTC, is_text=is_text)
    return sum(_is_time(lax, value) for value in values), False


def _is_time(convert: Callable[[Any], int], value: Any) -> bool:
    try:
        return _EARLIEST_MS <= convert(value) <= _LATEST_MS
    except (InputError, OverflowError):
        return False


def _source(leaves: Sequence[Leaf], root: str, time: Guess | None) -> Guess | None:
    """Return the path that most likely names the source: by its name, and few different values."""
    ranked: list[tuple[int, Leaf]] = []
    for leaf in leaves:
        is_time = time is not None and time.value["path"].endswith(written(leaf.path))
        is_name = all(isinstance(v, str | int) and not isinstance(v, bool) for v in leaf.values)
        if not leaf.values or is_time or not is_name:
            continue
        is_id = bool(_ID_NAME.search(leaf.name))
        score = 2 * bool(_SOURCE_NAME.search(leaf.name)) + is_id
        score += is_id and bool(_SOURCE_NAME.search(leaf.name_above))  # user.id
        if score:
            ranked.append((score, leaf))
    if not ranked:
        return None
    score, leaf = max(ranked, key=lambda pair: (pair[0], -len(pair[1].path)))
    num_different = len(set(map(str, leaf.values)))
    why = f"by its name; {num_different} different in {len(leaf.values)} values"
    return Guess("source_id", written(leaf.path, root), why)


def _measured(
    leaves: Sequence[Leaf], all_leaves: Sequence[Leaf], num_items: int
) -> tuple[str, list[Guess]]:
    """Return the event type, and the guesses for what it measures or holds.

    Args:
        leaves: that are neither the source nor the time.
        all_leaves: with those two.
        num_items: values, or readings with `each`.
    """
    leaves = [leaf for leaf in leaves if len(leaf.values) >= _RARE * num_items]
    for leaf in leaves:
        if 2 * sum(map(_is_picture, leaf.values)) > len(leaf.values):
            why = "base64 or data URLs of pictures"
            return "VideoFrame", [Guess("image", written(leaf.path), why)]
    texts = [leaf for leaf in leaves if _mean_length(leaf) >= _LONG_TEXT]
    named = [leaf for leaf in texts if _TEXT_NAME.search(leaf.name)]
    numbers = [leaf for leaf in leaves if leaf.values and share_of_numbers(leaf) >= _MOST]
    if named or (texts and not numbers):
        leaf = max(named or texts, key=_mean_length)
        why = f"text, {_mean_length(leaf):.0f} characters on average"
        return "TextMessage", [Guess("text", written(leaf.path), why)]
    actions = [leaf for leaf in leaves if _ACTION_NAME.search(leaf.name) and _is_short(leaf)]
    channels = guess_channels(all_leaves, leaves, numbers, num_items)
    if actions and numbers:
        leaf = actions[0]
        why = f"by its name; {len(set(leaf.values))} different values"
        action = Guess("action", written(leaf.path), why)
        return "BehaviorEvent", [action, channels._replace(key="features")]
    return "SensorReading", [channels]


def _mean_length(leaf: Leaf) -> float:
    lengths = [len(value) for value in leaf.values if isinstance(value, str)]
    return sum(lengths) / len(lengths) if len(lengths) == len(leaf.values) and lengths else 0.0


def _is_short(leaf: Leaf) -> bool:
    return 0 < _mean_length(leaf) < _LONG_TEXT and len(set(leaf.values)) <= max(
        len(leaf.values) // 2, 1
    )


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_PICTURES)
