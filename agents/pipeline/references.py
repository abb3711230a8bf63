"""Fill in what a pipeline file takes from outside: `${NAME}`, `${file:/path}`, relative paths.

References keep secrets out of the file; relative paths let it move together with its models. An
error names the variable or file that was asked for, never a value.
"""

from __future__ import annotations

import os.path
import pathlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from agents.pipeline.validation import Mistake
from agents.pipeline.yaml_lines import Path

#: `$${` is a literal `${`.
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
MAX_SECRET_BYTES = 64 * 1024


class Filled(NamedTuple):
    """A document's value with everything filled in."""

    value: Any
    texts: set[Path]
    """Paths of the values that hold text from outside the file."""
    mistakes: list[Mistake]


def fill_in(value: Any, env: Mapping[str, str], base_dir: pathlib.Path) -> Filled:
    """Return the value with references replaced and `./` and `../` made absolute.

    Args:
        value: texts, numbers, lists and mappings; left unchanged.
        env: where `${NAME}` is looked up.
        base_dir: the pipeline file's folder.
    """
    filler = _Filler(env, base_dir)
    return Filled(filler.fill(value, ()), filler.texts, filler.mistakes)


def resolve_path(base_dir: pathlib.Path, text: str) -> str:
    """Return a text that starts with `./` or `../` as a path from the folder; others unchanged."""
    if not text.startswith(("./", "../")):
        return text
    return os.path.normpath(base_dir.absolute() / text)


class _Filler:
    def __init__(self, env: Mapping[str, str], base_dir: pathlib.Path) -> None:
        self._env, self._base_dir = env, base_dir
        self.texts: set[Path] = set()
        self.mistakes: list[Mistake] = []

    def fill(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: self.fill(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, (*path, i)) for i, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        if "${" not in value:
            return resolve_path(self._base_dir, value)
        return self._replace(value, path)

    def _replace(self, text: str, path: Path) -> str:
        self.texts.add(path)
        try:
            return _REFERENCE.sub(self._look_up, text)
        except LookupError as error:
            self.mistakes.append(Mistake(path, str(error.args[0])))
            return ""

    def _look_up(self, match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "${"
        if name.startswith("file:"):
            return self._read(name.removeprefix("file:"))
        if name not in self._env:
            raise LookupError(f"the environment variable {name} is not set")
        return self._env[name]

    def _read(self, name: str) -> str:
        try:
            with open(self._base_dir / name, "rb") as file:
                content = file.read(MAX_SECRET_BYTES + 1)
            if len(content) > MAX_SECRET_BYTES:
                raise LookupError(f"the file {name} has more than {MAX_SECRET_BYTES} bytes")
            return content.decode().strip()
        except OSError as error:
            raise LookupError(f"the file {name} can't be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise LookupError(f"the file {name} is not UTF-8 text") from error
