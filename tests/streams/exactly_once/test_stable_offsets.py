"""Committed offsets are fetched once they are stable; the broker is a fake admin client."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError
from confluent_kafka import KafkaError, KafkaException

from streams.exactly_once.stable_offsets import StableOffsets
from streams.kafka.positions import CommittedPosition, commit_metadata
from streams.records import TopicPartition

TP, EMPTY = TopicPartition("numbers", 0), TopicPartition("numbers", 1)
NO_OFFSET = -1001


class FakeAdmin:
    """Answers with each of some error codes in turn, then with offsets; repeats its last error."""

    def __init__(self, *codes: int, forever: bool = False) -> None:
        self.codes = list(codes)
        self.forever = forever
        self.num_requests = 0

    def list_consumer_group_offsets(
        self, requests: list[Any], require_stable: bool, request_timeout: float
    ) -> dict[str, Future[Any]]:
        assert require_stable
        self.num_requests += 1
        future: Future[Any] = Future()
        code = (self.codes[0] if self.forever else self.codes.pop(0)) if self.codes else None
        if code is not None and code != KafkaError.UNSTABLE_OFFSET_COMMIT:
            future.set_exception(KafkaException(KafkaError(code)))
        else:
            error = None if code is None else KafkaError(code)
            offsets = [(TP, 42, error), (EMPTY, NO_OFFSET, None)]
            partitions = [
                SimpleNamespace(
                    topic=tp.topic,
                    partition=tp.partition,
                    offset=offset,
                    error=failed,
                    metadata=commit_metadata("id"),
                )
                for tp, offset, failed in offsets
            ]
            future.set_result(SimpleNamespace(topic_partitions=partitions))
        return {requests[0].group_id: future}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.exactly_once.stable_offsets._RETRY_SECONDS", 0.001)


def stable_offsets(monkeypatch: pytest.MonkeyPatch, admin: FakeAdmin) -> StableOffsets:
    monkeypatch.setattr("streams.exactly_once.stable_offsets.make_admin", lambda settings: admin)
    return StableOffsets({"bootstrap.servers": "broker:9092"}, "counters")


async def fetch(
    monkeypatch: pytest.MonkeyPatch, admin: FakeAdmin
) -> dict[TopicPartition, CommittedPosition]:
    return await stable_offsets(monkeypatch, admin).fetch([TP, EMPTY])


async def test_partitions_without_an_offset_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await fetch(monkeypatch, FakeAdmin()) == {TP: CommittedPosition(42, "id")}


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
    ],
)
async def test_a_transient_error_is_retried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    admin = FakeAdmin(code, code)
    assert await fetch(monkeypatch, admin) == {TP: CommittedPosition(42, "id")}
    assert admin.num_requests == 3
    assert caplog.records == []  # a short wait is not logged


async def test_a_long_wait_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.exactly_once.stable_offsets._QUIET_SECONDS", 0.02)
    admin = FakeAdmin(KafkaError.UNSTABLE_OFFSET_COMMIT, forever=True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fetch(monkeypatch, admin), 0.2)
    assert admin.num_requests > 2
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "waiting for the committed offsets of group counters"
    ]


async def test_a_rejection_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = FakeAdmin(KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(GroupAuthorizationFailedError, match="group counters"):
        await fetch(monkeypatch, admin)
    assert admin.num_requests == 1


async def test_no_partitions_need_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = FakeAdmin()
    assert await stable_offsets(monkeypatch, admin).fetch([]) == {}
    assert admin.num_requests == 0
