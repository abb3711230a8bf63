"""A consumer's group membership with `group.instance.id`, of which there can be only one.

Kafka gives a static member's place to whoever joins last with its id, and fences the one before.
aiokafka 0.14 does not notice: its heartbeats do not carry the id, so the broker answers that the
member is unknown, aiokafka forgets its member id and joins again, and takes the place back. Two
workers with one id would do so without end, each with all partitions.

Here heartbeats carry the id, and a member that the broker does not know joins with its old member
id first. The broker then says which it is: fenced (another has its place), or unknown (its session
ended, and it may join again).

Source: KIP-345, Heartbeat version 3, error code FENCED_INSTANCE_ID.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiokafka.consumer.consumer
from aiokafka.errors import KafkaError, UnknownMemberIdError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1, JoinGroupRequest
from aiokafka.protocol.types import Int32, Schema, String

from streams.transport.assignor import AssigningCoordinator

#: Error code FENCED_INSTANCE_ID, which aiokafka 0.14 does not know.
FENCED = 82


class FencedMemberError(KafkaError):  # type: ignore[misc]
    """Another member has joined the group with this member's `group.instance.id`."""

    def __str__(self) -> str:
        return str(self.args[0])


class _HeartbeatResponse(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 12, 3
    SCHEMA = HeartbeatResponse_v1.SCHEMA


class _HeartbeatStruct(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = 12, 3
    RESPONSE_TYPE = _HeartbeatResponse
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class _StaticHeartbeat(Request[_HeartbeatStruct]):  # type: ignore[misc]
    """A heartbeat that carries `group.instance.id`."""

    API_KEY = 12

    def __init__(self, group: str, generation: int, member_id: str, instance_id: str) -> None:
        self._values = (group, generation, member_id, instance_id)

    def build(self, request_struct_class: type[_HeartbeatStruct]) -> _HeartbeatStruct:
        """Return the request as it is sent."""
        return request_struct_class(*self._values)


class Coordinator(AssigningCoordinator):
    """A group coordinator that notices when another member has its `group.instance.id`."""

    fenced: FencedMemberError | None = None
    """Set once another member has this one's place; from then on it sends no request."""
    _is_unknown = False
    """Whether the broker has no member with this instance id: its session has ended."""
    member_id: str

    async def _send_req(self, request: Any) -> Any:
        instance_id = self._group_instance_id
        if instance_id is None:
            return await super()._send_req(request)
        if isinstance(request, HeartbeatRequest):
            request = _StaticHeartbeat(self.group_id, self.generation, self.member_id, instance_id)
        response = await super()._send_req(request)
        code = getattr(response, "error_code", 0)
        if isinstance(request, _StaticHeartbeat | JoinGroupRequest):
            self._is_unknown = code == UnknownMemberIdError.errno
        if code == FENCED:
            await self._be_fenced(instance_id)
        return response

    async def _be_fenced(self, instance_id: str) -> None:
        """Stay silent until this consumer is closed: a request would take the place back."""
        self.fenced = FencedMemberError(
            f"another member has joined group {self.group_id} with group.instance.id "
            f"{instance_id} and has this worker's partitions: give each worker its own id"
        )
        await asyncio.wait([self._closing])
        raise self.fenced

    def reset_generation(self) -> None:
        """Join again; with the same member id, unless the broker answered that it is unknown."""
        member_id = self.member_id
        super().reset_generation()
        if self._group_instance_id is not None and not self._is_unknown:
            self.member_id = member_id


def use_coordinator() -> None:
    """Make aiokafka's consumers use `Coordinator` from now on, in the whole process."""
    aiokafka.consumer.consumer.GroupCoordinator = Coordinator
