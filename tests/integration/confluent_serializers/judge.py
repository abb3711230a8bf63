"""Confluent's own serializers, run in their own environment: what they write and what they read.

judge.py write URL avro|protobuf|json_schema TOPIC [header]
    prints one line of JSON: value and headers in hexadecimal digits, and the registered schema
judge.py read URL avro|json_schema TOPIC VALUE_HEX
    prints the value as JSON
judge.py read URL protobuf TOPIC VALUE_HEX DESCRIPTORS_HEX MESSAGE
    prints the value as JSON, and what Confluent's serializer makes of it in hexadecimal digits
"""

import json
import sys

from confluent_kafka.schema_registry import (
    SchemaRegistryClient,
    header_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    timestamp_pb2,
)

READING = {"device": "p7", "at": 1795839978454, "data": {"pressure": 2.5, "pump": 1.0}}
AVRO = {
    "type": "record", "name": "Reading", "namespace": "plant", "fields": [
        {"name": "device", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "data", "type": {"type": "record", "name": "Data", "fields": [
            {"name": "pressure", "type": ["null", "double"]}, {"name": "pump", "type": "float"}]}},
    ],
}  # fmt: skip
JSON = {
    "$schema": "http://json-schema.org/draft-07/schema#", "title": "Reading", "type": "object",
    "properties": {"device": {"type": "string"}, "at": {"type": "integer"},
                   "data": {"type": "object"}},
}  # fmt: skip


def protobuf_message():
    """The second message of a file, so that its index is written."""
    file = descriptor_pb2.FileDescriptorProto(
        name="plant.proto",
        package="plant",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto"],
    )
    file.message_type.add(name="Unused").field.add(name="x", number=1, type=5, label=1)
    message = file.message_type.add(name="Reading")
    message.field.add(name="device", number=1, type=9, label=1)
    message.field.add(name="at", number=2, type=11, label=1, type_name=".google.protobuf.Timestamp")
    message.field.add(name="pressure", number=3, type=1, label=1)
    pool = descriptor_pool.Default()
    timestamp_pb2.Timestamp()
    pool.Add(file)
    cls = message_factory.GetMessageClass(pool.FindMessageTypeByName("plant.Reading"))
    made = cls(device="p7", pressure=2.5)
    made.at.FromMilliseconds(READING["at"])
    return cls, made


def serializer(client, codec, conf):
    if codec == "avro":
        return AvroSerializer(client, json.dumps(AVRO), conf=conf), READING
    if codec == "json_schema":
        return JSONSerializer(json.dumps(JSON), client, conf=conf), READING
    cls, message = protobuf_message()
    return ProtobufSerializer(cls, client, conf), message


def read_protobuf(value, context, descriptors, name):
    files = descriptor_pb2.FileDescriptorSet.FromString(bytes.fromhex(descriptors))
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    cls = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    message = ProtobufDeserializer(cls, {})(value, context)
    # These two ask the registry for compiled schemas, which Apicurio does not give: Confluent's
    # own stand-in for a registry does.
    client = SchemaRegistryClient.new_client({"url": "mock://"})
    written = ProtobufSerializer(cls, client)(message, context)
    again = ProtobufDeserializer(cls, {}, client)(written[:5] + value[5:], context)
    if again != message:
        raise ValueError(f"read as {again}")
    plain = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return {"value": plain, "written": written.hex()}


def main(action, url, codec, topic, *rest):
    client = SchemaRegistryClient.new_client({"url": url})
    headers = []
    context = SerializationContext(topic, MessageField.VALUE, headers)
    if action == "write":
        conf = {}
        if rest:
            conf["schema.id.serializer"] = header_schema_id_serializer
        write, value = serializer(client, codec, conf)
        written = write(value, context)
        hex_headers = [[name, content.hex()] for name, content in headers]
        schema = client.get_latest_version(f"{topic}-value").schema.schema_str
        print(json.dumps({"value": written.hex(), "headers": hex_headers, "schema": schema}))
        return
    value = bytes.fromhex(rest[0])
    if codec == "protobuf":
        print(json.dumps(read_protobuf(value, context, *rest[1:])))
        return
    if codec == "avro":
        read = AvroDeserializer(client)
    else:
        read = JSONDeserializer(None, schema_registry_client=client)
    print(json.dumps(read(value, context)))


main(*sys.argv[1:])
