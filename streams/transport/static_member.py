"""A consumer's group membership with `group.instance.id`, of which there can be only one.

Kafka gives a static member's place to whoever joins last with its id, and fences the one before.
aiokafka 0.14 does not notice: its heartbeats do not carry the id, so the broker answers that the
member is unknown, aiokafka forgets its member id and joins again, and takes the place back. Two
workers with one id would do so for ever, each with all partitions.

Here heartbeats carry the id, and a member that the broker does not know joins with its old member
id first. The broker then says which it is: fenced (another has its place), or unknown (its session
ended, and it may join anew).

Source: KIP-345, Heartbeat version 3, error code FENCED_INSTANCE_ID.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiokafka.consumer.consumer
import aiokafka.consumer.group_coordinator
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError, UnknownMemberIdError
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1, JoinGroupRequest
from aiokafka.protocol.api import Response
from aiokafka.protocol.types import Int16, Int32, Schema, String

#: Error code FENCED_INSTANCE_ID, which aiokafka 0.14 does not know.
_FENCED = 82


class FencedMemberError(KafkaError):  # type: ignore[misc]
    """Another member has joined the group with this member's `group.instance.id`."""


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


class StaticHeartbeat(Request[_HeartbeatStruct]):  # type: ignore[misc]
    """A heartbeat that carries `group.instance.id`."""

    API_KEY = 12

    def __init__(self, group: str, generation: int, member_id: str, instance_id: str) -> None:
        self._values = (group, generation, member_id, instance_id)

    def build(self, request_struct_class: type[_HeartbeatStruct]) -> _HeartbeatStruct:
        """Return the request in the broker's version."""
        return request_struct_class(*self._values)
