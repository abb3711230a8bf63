"""States of cameras: bounded, and what is dropped is reported once."""

from __future__ import annotations

import logging

import pytest

from models.tracking.camera_store import CameraStore


def test_the_camera_seen_least_recently_is_dropped_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store: CameraStore[int] = CameraStore("tracker", 2, lambda: 0)
    with caplog.at_level(logging.WARNING):
        for number, camera in enumerate("abacd", 1):
            store.put(camera, number)
    assert list(store.items()) == [("c", 4), ("d", 5)]
    assert [record.getMessage() for record in caplog.records] == [
        "model tracker: more than 2 cameras (max_cameras): those seen least recently are "
        "forgotten, first 'b'"
    ]
    assert store.take_incidents() == {"evicted_key": 2}
    assert store.take_incidents() == {"evicted_key": 0}


def test_what_a_snapshot_knows_as_dropped_is_not_reported_again() -> None:
    store: CameraStore[int] = CameraStore("tracker", 2, lambda: 0)
    store.replace({"a": 1}, 7)
    assert store.num_dropped == 7
    assert store.take_incidents() == {"evicted_key": 0}
