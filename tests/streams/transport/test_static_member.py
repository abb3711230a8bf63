"""A member whose group.instance.id another member has taken stays silent; the broker is a fake."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.group import HeartbeatRequest

from streams.transport.static_member import Coordinator, FencedMemberError

OK, UNKNOWN_MEMBER, FENCED = 0, 25, 82


class Response(NamedTuple):
    error_code: int


class Broker:
    """Answers with `code`, and keeps the requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, instance_id: str | None = "w1") -> None:
        self.code, self.requests = OK, list[Any]()

        async def send(_: Any, request: Any) -> Response:
            self.requests.append(request)
            return Response(self.code)

        monkeypatch.setattr(GroupCoordinator, "_send_req", send)
        self.member = Coordinator.__new__(Coordinator)
        self.member.group_id, self.member._group_instance_id = "g", instance_id
        self.member.generation, self.member.member_id = 7, "w1-abc"
        loop = asyncio.get_running_loop()
        self.member._closing, self.member._rejoin_needed_fut = (
            loop.create_future(),
            loop.create_future(),
        )

    async def heartbeat(self, code: int) -> None:
        self.code = code
        await self.member._send_req(HeartbeatRequest("g", 7, "w1-abc"))


async def test_a_heartbeat_carries_the_instance_id(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch)
    await broker.heartbeat(OK)
    request = broker.requests[0].prepare({12: (0, 4)})
    assert (request.API_VERSION, request.group_instance_id) == (3, "w1")
    assert (request.group, request.generation_id, request.member_id) == ("g", 7, "w1-abc")
    assert request.encode().endswith(b"\x00\x02w1")


async def test_a_dynamic_member_s_heartbeat_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch, instance_id=None)
    await broker.heartbeat(OK)
    assert isinstance(broker.requests[0], HeartbeatRequest)
    broker.member.reset_generation()
    assert broker.member.member_id == ""


async def test_a_fenced_member_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch)
    beat = asyncio.ensure_future(broker.heartbeat(FENCED))
    await asyncio.sleep(0.01)
    assert not beat.done()
    assert "group.instance.id w1" in str(broker.member.fenced)
    broker.member._closing.set_result(None)
    with pytest.raises(FencedMemberError, match="another member has joined group g"):
        await beat


async def test_a_rejected_commit_keeps_the_member_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joining with it makes the broker say whether another member has the place."""
    broker = Broker(monkeypatch)
    broker.member.reset_generation()
    assert (broker.member.member_id, broker.member.generation) == ("w1-abc", -1)


async def test_a_member_whose_session_has_ended_joins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch)
    await broker.heartbeat(UNKNOWN_MEMBER)
    broker.member.reset_generation()
    assert broker.member.member_id == ""
