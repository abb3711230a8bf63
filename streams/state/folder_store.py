"""Store snapshots as files in a folder, or as objects in an object store, through fsspec."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from streams.state.snapshot import StateKey, StateStoreError

#: Chains kept per key: an earlier one, in case the latest is damaged.
_NUM_KEPT = 2
#: Of whole snapshots, and of changes.
_WHOLE, _CHANGES = ".state", ".changes"


class FolderStore:
    """`<url>/<group>/<agent>/<topic>/<partition>/<sequence>.state`, or `.changes`.

    A file is written under a draft name and then renamed, so a snapshot's file is complete.
    """

    def __init__(self, url: str, group: str) -> None:
        """Find the file system; nothing is read or written yet.

        Args:
            url: for example `file:///var/lib/penstock` or `s3://bucket/folder`, or a plain path.
            group: the consumer group, so that pipelines may share a folder.

        Raises:
            StateStoreError: fsspec does not know the URL's scheme, or its package is missing.
        """
        import fsspec  # imported here, since only pipelines with a folder need it

        self._url = url
        try:
            self._files: Any
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError, OSError) as error:
            raise StateStoreError(f"state.store {url}: {error}") from error
        self._root = f"{root.rstrip('/')}/{quote(group, safe='')}"

    def saved(self, key: StateKey, is_expected: bool = True) -> Iterator[bytes]:
        """Yield the files of a key, the latest first."""
        with self._explained("can't be read"):
            names = self._names(key)
        for name in names:
            with self._explained("can't be read"), contextlib.suppress(FileNotFoundError):
                yield self._files.cat_file(name)

    def save(self, key: StateKey, sequence: int, encoded: bytes, base: int | None = None) -> None:
        """Write a file; after a whole snapshot, remove the files of old chains."""
        is_whole = base is None or base == sequence
        suffix = _WHOLE if is_whole else _CHANGES
        folder = self._folder(key)
        draft = f"{folder}/{uuid.uuid4().hex}.draft"
        with self._explained("can't be written"):
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(draft, encoded)
            self._files.mv(draft, f"{folder}/{sequence:020d}{suffix}")
            for name in _superseded(self._names(key)) if is_whole else []:
                self._files.rm_file(name)

    def delete(self, key: StateKey) -> int:
        """Remove the files of a key."""
        with self._explained("can't be removed"):
            names = self._names(key)
            for name in names:
                self._files.rm_file(name)
        return len(names)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _names(self, key: StateKey) -> list[str]:
        self._files.invalidate_cache()  # another worker may have written since
        try:
            names = self._files.ls(self._folder(key), detail=False)
        except FileNotFoundError:
            return []
        return sorted((name for name in names if name.endswith((_WHOLE, _CHANGES))), reverse=True)

    def _folder(self, key: StateKey) -> str:
        return (
            f"{self._root}/{quote(key.agent, safe='')}/{quote(key.topic, safe='')}/{key.partition}"
        )

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:  # each of fsspec's file systems raises its own
            raise StateStoreError(
                f"state in {self._url} {what}: {type(error).__name__}: {error}"
            ) from error


def _superseded(names: list[str]) -> list[str]:
    """Return the files behind the last whole snapshot that is kept; `names` are the latest first.

    Changes in front of a whole snapshot follow it.
    """
    whole = [at for at, name in enumerate(names) if name.endswith(_WHOLE)]
    return names[whole[_NUM_KEPT - 1] + 1 :] if len(whole) >= _NUM_KEPT else []
