"""Makes the map of numbers of an event: channels of a sensor, features of an action."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from schemas.errors import SchemaError
from schemas.mapping.conversions import to_number, to_number_or_text
from schemas.mapping.describe import found
from schemas.mapping.field_spec import Channels
from schemas.mapping.paths import FieldPath, Getter, compile_path

_LARGEST = 1.7976931348623157e308
#: How many names of channels are remembered, so that patterns are matched once for each.
_MAX_NAMES = 10_000

#: Takes a value (with `each`: one reading) and the record's scope.
Make = Callable[[Any, Any], Any]


def compile_channels(channels: Channels) -> Make:
    """Return the function that makes the map; channels that are null or absent are left out.

    The function raises a `SchemaError` for a value that is no finite number, and if no channel is
    left.
    """
    if channels.from_path is None:
        return _from_paths(channels)
    return _from_object(channels)


def _from_paths(channels: Channels) -> Make:
    getters = [(name, path.text, compile_path(path), _convert(channels, path.is_text))
               for name, path in channels.paths]  # fmt: skip
    looked_for = ", ".join(path.text for _, path in channels.paths)

    def make(item: Any, scope: Any) -> dict[str, float]:
        made = {}
        for name, text, get, convert in getters:
            value = get(item, scope)
            if type(value) is float and -_LARGEST <= value <= _LARGEST:
                made[name] = value
            elif value is not None:
                try:
                    made[name] = convert(value)
                except SchemaError as error:
                    raise SchemaError(f"{text}: {error}") from None
        if not made:
            raise SchemaError(f"no channel has a value: {looked_for}: null or absent")
        return made

    return make


def entries_getter(channels: Channels) -> Getter:
    """Return what gets names with values: an object, or a list of entries with a name each.

    The function raises a `SchemaError` if the list's entries have no names or one name twice.
    """
    assert channels.from_path is not None
    get = compile_path(channels.from_path)
    if channels.name is None or channels.value is None:
        return get
    return _listed(channels.from_path, get, channels.name, channels.value)


def _listed(path: FieldPath, get: Getter, name: FieldPath, value: FieldPath) -> Getter:
    get_name, get_value = compile_path(name), compile_path(value)

    def get_entries(item: Any, scope: Any) -> Any:
        entries = get(item, scope)
        if not isinstance(entries, list):
            raise SchemaError(f"{path.text}: expected a list of entries, found {found(entries)}")
        made: dict[str, Any] = {}
        for i, entry in enumerate(entries):
            try:
                named, number = get_name(entry, scope), get_value(entry, scope)
            except SchemaError as error:
                raise SchemaError(f"{path.text}[{i}]: {error}") from None
            if not isinstance(named, str):
                what = f"expected a channel's name, found {found(named)}"
                raise SchemaError(f"{path.text}[{i}]: {name.text}: {what}")
            if named in made:
                raise SchemaError(f"{path.text}: two entries have the name {named!r}")
            made[named] = number
        return made

    return get_entries


def _from_object(channels: Channels) -> Make:
    path = channels.from_path
    assert path is not None
    get = entries_getter(channels)
    convert, is_skipping = _convert(channels, False), channels.not_numbers == "skip"
    names = ChannelNames(channels)

    def make(item: Any, scope: Any) -> dict[str, float]:
        values = get(item, scope)
        if type(values) is not dict:
            raise SchemaError(
                f"{path.text}: expected an object with numbers, found {found(values)}"
            )
        made: dict[str, float] = {}
        for name, value in values.items():
            channel = names[name]
            if channel is None or value is None:
                continue
            if type(value) is float and -_LARGEST <= value <= _LARGEST:
                number = value
            else:
                if is_skipping and _is_no_number(value, channels.numeric_text):
                    continue
                try:
                    number = convert(value)
                except SchemaError as error:
                    raise SchemaError(f"{path.text}.{name}: {error}{_HINT}") from None
            if channel in made:
                raise SchemaError(f"{path.text}: two entries have the channel name {channel!r}")
            made[channel] = number
        if not made:
            raise SchemaError(f"{path.text}: no channel has a value in {found(values)}")
        return made

    return make


_HINT = " (leave it out with `exclude`, or use `not_numbers: skip`)"


def _convert(channels: Channels, is_text: bool) -> Callable[[Any], float]:
    return to_number_or_text if channels.numeric_text or is_text else to_number


def _is_no_number(value: Any, numeric_text: bool) -> bool:
    try:
        (to_number_or_text if numeric_text else to_number)(value)
    except SchemaError:
        return not isinstance(value, int | float)  # NaN and infinity are refused all the same
    return False


class ChannelNames(dict[str, str | None]):
    """An entry's name -> its channel's name; None: it is left out."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    def __missing__(self, name: str) -> str | None:
        if not isinstance(name, str):
            raise SchemaError(f"expected names of channels, found {found(name)}")
        include, exclude = self._channels.include, self._channels.exclude
        is_in = any(fnmatchcase(name, pattern) for pattern in include)
        is_out = any(fnmatchcase(name, pattern) for pattern in exclude)
        channel = self._channels.rename.get(name, name) if is_in and not is_out else None
        if len(self) < _MAX_NAMES:
            self[name] = channel
        return channel
