from __future__ import annotations

from pathlib import Path

import pytest

from streams.state.folder_store import FolderStore
from streams.state.snapshot import StateKey, StateStoreError

KEY = StateKey("score", "readings", 3)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_latest_two_are_kept(scheme: str, tmp_path: Path) -> None:
    store = FolderStore(f"{scheme}{tmp_path}/states", "group")
    assert list(store.saved(KEY)) == []
    for sequence in range(4):
        store.save(KEY, sequence, b"%d" % sequence)
    other = FolderStore(f"{scheme}{tmp_path}/states", "group")  # another worker's
    assert list(other.saved(KEY)) == [b"3", b"2"]
    files = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    folder = Path("states/group/score/readings/3")
    assert files == [folder / f"{2:020d}.state", folder / f"{3:020d}.state"]


def test_the_latest_two_chains_are_kept(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path), "group")
    kept: list[bytes] = []
    for base, changes in ((0, 3), (5, 2), (8, 1)):
        for sequence in range(base, base + 1 + changes):
            kept.append(b"%d of %d" % (sequence, base))
            store.save(KEY, sequence, kept[-1], base)
    assert list(FolderStore(str(tmp_path), "group").saved(KEY)) == kept[:3:-1]
    files = sorted(p.name.lstrip("0") for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["5.state", "6.changes", "7.changes", "8.state", "9.changes"]
    assert store.delete(KEY) == 5
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_keys_and_groups_are_kept_apart(tmp_path: Path) -> None:
    store, others = FolderStore(str(tmp_path), "group"), FolderStore(str(tmp_path), "other")
    store.save(KEY, 0, b"a")
    others.save(KEY, 0, b"b")
    store.save(KEY._replace(partition=4), 0, b"c")
    assert list(store.saved(KEY)) == [b"a"]
    assert store.delete(KEY) == 1
    assert list(store.saved(KEY)) == []
    assert list(others.saved(KEY)) == [b"b"]
    assert list(store.saved(KEY._replace(partition=4))) == [b"c"]


def test_an_unfinished_write_is_no_snapshot(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path), "group")
    store.save(KEY, 0, b"a")
    (tmp_path / "group/score/readings/3/0123.draft").write_bytes(b"half")
    assert list(store.saved(KEY)) == [b"a"]


def test_another_file_system_than_the_local_one() -> None:
    store = FolderStore("memory://states", "group")
    for sequence in range(3):
        store.save(KEY, sequence, b"%d" % sequence)
    assert list(store.saved(KEY)) == [b"2", b"1"]
    assert store.delete(KEY) == 2


def test_a_store_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateStoreError, match=r"state\.store nosuch://x"):
        FolderStore("nosuch://x", "group")
    (tmp_path / "file").write_text("")
    store = FolderStore(str(tmp_path / "file"), "group")
    with pytest.raises(StateStoreError, match="can't be written"):
        store.save(KEY, 0, b"a")
