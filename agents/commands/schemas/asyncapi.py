"""Describe a pipeline as an AsyncAPI 3.0 document: topics, their readers, writers and messages.

Source: AsyncAPI specification 3.0.0 and its Kafka bindings 0.5.0. Payloads refer to the JSON
Schema files in the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import msgspec

from agents.commands.schemas.flows import Flow
from schemas import AudioCodec, DeadLetter, Event, Result
from schemas.cloudevents import type_name
from schemas.header_schemas import HEADER_SCHEMAS
from schemas.image_formats import DECODED_TEXT
from schemas.json_schema import schema_file_name
from schemas.registry.codecs import content_type_of
from schemas.registry.letters import DeadLetterRecord

_KAFKA_BINDING_VERSION = "0.5.0"
#: The most common; each record's header says which format it has.
_IMAGE_CONTENT_TYPE = "image/jpeg"

Node = dict[str, Any]


def asyncapi_document(flows: Sequence[Flow], version: str) -> Node:
    """Return the document, made of dicts and lists, for YAML or JSON.

    Args:
        flows: of the pipeline's agents; two may share a topic.
        version: of the contract, e.g. Penstock's version.
    """
    channels: Node = {}
    operations: Node = {}
    messages: Node = {}
    for operation in chain.from_iterable(map(_operations, flows)):
        messages[operation.message["title"]] = operation.message
        channel = channels.setdefault(_identifier(operation.topic), _channel(operation.topic))
        channel["messages"] |= operation.reference("#/components")
        operations[operation.identifier] = operation.node()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Penstock pipeline",
            "version": version,
            "description": "Events in, results out, over Kafka. A record's key is the source id; "
            "results keep the order of their inputs per key.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": HEADER_SCHEMAS},
    }


class _Operation(NamedTuple):
    """What one agent does with one topic."""

    identifier: str
    action: Literal["receive", "send"]
    summary: str
    topic: str
    message: Node

    def reference(self, where: str) -> Node:
        title = self.message["title"]
        return {title: {"$ref": f"{where}/messages/{title}"}}

    def node(self) -> Node:
        channel = f"#/channels/{_identifier(self.topic)}"
        return {
            "action": self.action,
            "summary": self.summary,
            "channel": {"$ref": channel},
            "messages": list(self.reference(channel).values()),
        }


def _operations(flow: Flow) -> Iterator[_Operation]:
    settings, agent = flow.settings, flow.agent
    name = _identifier(agent)
    event = event_message(flow.event_type, settings.codec)
    if settings.is_mapped:
        event = mapped_message(flow)
    summary = f"{agent} reads events and answers each with {settings.model_name}."
    for topic in settings.inputs:
        # An agent with one input has no suffix, so that its identifier is the same as in older
        # versions, where no agent had several.
        suffix = "" if len(settings.inputs) == 1 else f"_{_identifier(topic)}"
        yield _Operation(f"{name}_receive{suffix}", "receive", summary, topic, event)
    result = result_message(flow.result_type, settings.output_codec)
    summary = f"{agent} writes its results."
    yield _Operation(f"{name}_send", "send", summary, settings.output, result)
    if settings.updates:
        update = result_message(flow.update_type, settings.output_codec)
        summary = f"{agent} writes its global updates."
        yield _Operation(f"{name}_send_updates", "send", summary, settings.updates, update)
    summary = f"{agent} writes records that it can't process."
    letter = dead_letter_message(settings.dead_letter_codec)
    for topic in settings.dead_letter_topics:
        suffix = "" if len(settings.dead_letter_topics) == 1 else f"_{_identifier(topic)}"
        identifier = f"{name}_send_dead_letters{suffix}"
        yield _Operation(identifier, "send", summary, topic, letter)


def _channel(topic: str) -> Node:
    binding = {"topic": topic, "bindingVersion": _KAFKA_BINDING_VERSION}
    return {"address": topic, "messages": {}, "bindings": {"kafka": binding}}


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def event_message(cls: type[Event], codec: str) -> Node:
    """Return the message of an event type, encoded by a codec."""
    if codec == "image":
        payload: Node = {"description": f"The bytes of a picture: {DECODED_TEXT}."}
        return _message(cls, f"{cls.__name__}_image", _IMAGE_CONTENT_TYPE, payload, "ImageHeaders")
    if codec == "audio":
        return _audio_message(cls, "AudioHeaders")
    return _struct_message(cls, codec, "EventHeaders")


def mapped_message(flow: Flow) -> Node:
    """Return the message of other people's values, whose schema Penstock does not know."""
    cls, settings = flow.event_type, flow.settings
    how = {"fields": settings.fields, "where": settings.where, "envelope": settings.envelope}
    stated = {key: value for key, value in how.items() if value not in ({}, "", "none")}
    text = msgspec.json.encode(stated).decode()
    payload: Node = {"description": f"Read as {cls.__name__} by the agent's settings: {text}"}
    content_type = _IMAGE_CONTENT_TYPE if settings.codec == "image" else ""
    content_type = content_type or content_type_of(settings.codec)
    return _message(
        cls, f"{cls.__name__}_of_{_identifier(flow.agent)}", content_type, payload, "EventHeaders"
    )


def result_message(cls: type[Result], codec: str) -> Node:
    """Return the message of a result type, encoded by a codec."""
    if codec == "audio":
        return _audio_message(cls, "AudioResultHeaders")
    return _struct_message(cls, codec, "ResultHeaders")


def _audio_message(cls: type[Any], headers: str) -> Node:
    payload: Node = {"description": "Sound, as the header audio_encoding says."}
    return _message(cls, f"{cls.__name__}_audio", AudioCodec.content_type, payload, headers)


def dead_letter_message(codec: str = "original") -> Node:
    """Return the message of a dead letter: the original value, with the reason in headers."""
    if codec == "original":
        payload: Node = {"description": "The original record's value, byte for byte."}
        content_type = "application/octet-stream"
        return _message(DeadLetter, "DeadLetter", content_type, payload, "DeadLetterHeaders")
    return _struct_message(DeadLetterRecord, codec, "DeadLetterHeaders")


def _struct_message(cls: type[Any], codec: str, headers: str) -> Node:
    title = cls.__name__ if codec == "json" else f"{cls.__name__}_{codec}"
    payload = {"$ref": f"./{schema_file_name(cls)}"}
    return _message(cls, title, content_type_of(codec), payload, headers)


def _message(cls: type[Any], title: str, content_type: str, payload: Node, headers: str) -> Node:
    return {
        "name": type_name(cls),
        "title": title,
        "summary": (cls.__doc__ or cls.__name__).strip().splitlines()[0],
        "contentType": content_type,
        "headers": {"$ref": f"#/components/schemas/{headers}"},
        "payload": payload,
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The source id, UTF-8."},
                "bindingVersion": _KAFKA_BINDING_VERSION,
            }
        },
    }
