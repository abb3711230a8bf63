"""The messages between a worker and its model's process: MessagePack, never pickle.

Events go one way and answers the other, each as one MessagePack message in memory that both
processes map (`SharedBytes`). A socket between them carries only the kind and the length of a
message. Nothing that comes from the child is run as code, and a result's class is only looked up
among those that the worker has imported.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from schemas import InputError
from schemas.errors import Unavailable, UnencodableResultError
from streams.settings import AgentSettings

FRAME = struct.Struct("!cQ")
"""A kind of message, and its length in shared memory."""
LOAD, PREDICT, CLOSE, DONE, FAILED = b"l", b"p", b"c", b"d", b"f"
"""The kinds: three requests of the worker, two outcomes of the child."""

#: Kinds of an answer on the wire.
_PLAIN, _STRUCT, _LIST, _ERROR = range(4)
_MIN_BYTES = 64 * 1024


class ModelConfig(msgspec.Struct, frozen=True):
    """What a child process makes its model from."""

    settings: AgentSettings
    base_dir: str
    log_level: int
    log_format: str


class Raised(msgspec.Struct, array_like=True):
    """An exception in a form that can be sent."""

    name: str
    module: str
    message: str
    reason: str | None = None
    """Of an `InputError`."""
    retry_after_seconds: float | None = None
    """Of an `Unavailable`."""

    @classmethod
    def of(cls, error: BaseException) -> Raised:
        """Return an exception's name and message."""
        reason = error.reason if isinstance(error, InputError) else None
        pause = error.retry_after_seconds if isinstance(error, Unavailable) else None
        kind = type(error)
        return cls(kind.__name__, kind.__module__, str(error), reason, pause)

    def error(self) -> Exception:
        """Return an exception of the same class name and message.

        It is an `InputError` or an `Unavailable` if it was one.
        """
        if self.retry_after_seconds is not None:
            return Unavailable(self.message, self.retry_after_seconds)
        return _error_class(self.name, self.module, self.reason)(self.message)


@lru_cache(maxsize=256)
def _error_class(name: str, module: str, reason: str | None) -> type[Exception]:
    if reason is None:
        return type(name, (RuntimeError,), {"__module__": module})
    return type(name, (InputError,), {"__module__": module, "reason": reason})


def pack_answers(answers: Sequence[Any]) -> bytes:
    """Return the answers of a model as one message.

    An answer that can't be packed becomes an error; its neighbors are answered.
    """
    packed = []
    for answer in answers:
        try:
            packed.append(msgspec.msgpack.encode(_describe(answer)))
        except Exception as error:
            packed.append(
                msgspec.msgpack.encode((_ERROR, Raised.of(UnencodableResultError(error))))
            )
    return msgspec.msgpack.encode([msgspec.Raw(answer) for answer in packed])


def _describe(answer: Any) -> Any:
    if isinstance(answer, InputError):
        return _ERROR, Raised.of(answer)
    if isinstance(answer, list | tuple):
        return _LIST, [_describe(result) for result in answer]
    if isinstance(answer, msgspec.Struct):
        kind = type(answer)
        return _STRUCT, (kind.__module__, kind.__qualname__, answer)
    return _PLAIN, answer


def unpack_answers(message: bytes | memoryview) -> list[Any]:
    """Return the answers of a message that `pack_answers` made."""
    packed = msgspec.msgpack.decode(message, type=list[msgspec.Raw])
    return [_unpack_or_error(answer) for answer in packed]


def _unpack_or_error(packed: msgspec.Raw) -> Any:
    try:
        return _unpack(packed)
    except Exception as error:  # for example a field of another type than its class declares
        return UnencodableResultError(error)


def _unpack(packed: msgspec.Raw) -> Any:
    kind, content = msgspec.msgpack.decode(packed, type=tuple[int, msgspec.Raw])
    if kind == _ERROR:
        return msgspec.msgpack.decode(content, type=Raised).error()
    if kind == _LIST:
        results = msgspec.msgpack.decode(content, type=list[msgspec.Raw])
        return [_unpack(result) for result in results]
    if kind == _STRUCT:
        module, name, fields = msgspec.msgpack.decode(content, type=tuple[str, str, msgspec.Raw])
        return msgspec.msgpack.decode(fields, type=_struct_class(module, name))
    return msgspec.msgpack.decode(content)


@lru_cache(maxsize=256)
def _struct_class(module: str, name: str) -> type[msgspec.Struct]:
    struct_class: Any = sys.modules.get(module)
    for part in name.split("."):
        struct_class = getattr(struct_class, part, None)
    if isinstance(struct_class, type) and issubclass(struct_class, msgspec.Struct):
        return struct_class
    raise TypeError(
        f"the model answers with {module}.{name}, which the worker does not know: define it at the "
        "top of the module of the model's class, or import it there"
    )


class SharedBytes:
    """Memory that two processes map; it has no name and is freed with the last of them.

    One side writes and makes it grow; the other reads.
    """

    def __init__(self, fd: int | None = None) -> None:
        """Make new memory, or map that of a descriptor which the other side made."""
        self.fd = _anonymous_file() if fd is None else fd
        self._map: mmap.mmap | None = None

    def write(self, message: bytes | bytearray) -> int:
        """Write a message at the start and return its length."""
        size = len(message)
        if self._map is None or len(self._map) < size:
            self._remap(max(_MIN_BYTES, 1 << (size - 1).bit_length()), is_growing=True)
        assert self._map is not None
        self._map[:size] = message
        return size

    def read(self, size: int) -> memoryview:
        """Return the message of that length; valid until the next one is written."""
        if self._map is None or len(self._map) < size:
            self._remap(os.fstat(self.fd).st_size, is_growing=False)
        assert self._map is not None
        return memoryview(self._map)[:size]

    def _remap(self, size: int, is_growing: bool) -> None:
        # The old map is freed with its last view.
        if is_growing:
            os.ftruncate(self.fd, size)
        self._map = mmap.mmap(self.fd, size)

    def close(self) -> None:
        """Give the memory back."""
        self._map = None
        os.close(self.fd)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("penstock-batch", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:  # where there is no memfd (macOS)
        return os.dup(file.fileno())
