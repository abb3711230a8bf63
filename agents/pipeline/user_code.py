"""Load a user's Python class by name: `package.module:Name` or `./path/file.py:Name`.

A file becomes a module with a private name, so that a user's `models.py` or `schemas.py` collides
with nothing. It is loaded once, so that an event type is the same class wherever it is named. It
can import what is installed, but not the files beside it. Code in several files is a package, named
as `package.module:Name`; Python looks for it as usual, then in the pipeline file's folder.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from models.base import ModelError


def is_user_code(spec: str) -> bool:
    """Return whether this names Python code rather than a registered name, a file or a folder."""
    return ":" in spec


def load_class(spec: str, base_dir: Path) -> type[Any]:
    """Return the class that `package.module:Name` or `./path/file.py:Name` names.

    Args:
        spec: see above; a relative file is relative to `base_dir`.
        base_dir: the pipeline file's folder. Appended to `sys.path` for a package, after
            everything that is installed, so that nothing in it can shadow a library.

    Raises:
        ModelError: no such file, module or class, or the code fails as it is imported.
    """
    where, _, name = spec.rpartition(":")
    is_file = where.endswith(".py")
    module = _file_module(base_dir / where) if is_file else _package_module(where, base_dir)
    value = getattr(module, name, None)
    if isinstance(value, type):
        return value
    if value is not None:
        raise ModelError(f"{spec}: {name} is a {type(value).__name__}: expected a class")
    classes = [k for k, v in vars(module).items() if _is_defined_in(module, v)]
    raise ModelError(f"{spec}: no class {name!r} in it: it has {', '.join(classes) or 'none'}")


def _is_defined_in(module: ModuleType, value: object) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _file_module(path: Path) -> ModuleType:
    path = path.resolve()
    name = f"_penstock_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    # While classes are made, their annotations are looked up in sys.modules.
    sys.modules[name] = module
    try:
        with _one_line_errors(str(path)):
            spec.loader.exec_module(module)
    except ModelError:
        del sys.modules[name]
        raise
    return module


def _package_module(where: str, base_dir: Path) -> ModuleType:
    folder = str(base_dir.resolve())
    if folder not in sys.path:
        sys.path.append(folder)
    with _one_line_errors(where):
        return importlib.import_module(where)


@contextmanager
def _one_line_errors(what: str) -> Iterator[None]:
    """Turn any error of an import into a `ModelError` that names the user's file and line."""
    try:
        yield
    except SyntaxError as error:
        where = f"{error.filename or what}:{error.lineno}"
        raise ModelError(f"{where}: not Python: {error.msg}") from error
    except ModuleNotFoundError as error:
        if error.name and (what == error.name or what.startswith(f"{error.name}.")):
            raise ModelError(f"{what}: no module {error.name!r}: {_module_hint(what)}") from error
        raise ModelError(f"{_origin(error, what)}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"{_origin(error, what)}: {type(error).__name__}: {error}") from error


def _module_hint(where: str) -> str:
    top = where.partition(".")[0]
    if top in ("agents", "models", "schemas", "streams"):
        return f"'{top}' is a package of Penstock; write ./{where.replace('.', '/')}.py:Class"
    return "install it, or put it into the pipeline file's folder"


def _origin(error: BaseException, what: str) -> str:
    """Return `file:line` of the innermost frame that is not import machinery or a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [f for f in frames if f.filename == what] or [
        f for f in frames if "importlib" not in f.filename and f.filename != __file__
    ]
    return f"{users[-1].filename}:{users[-1].lineno}" if users else what
