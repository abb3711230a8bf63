"""Pipeline files with one mistake each, and the message that it must give."""

from __future__ import annotations

from agents.pipeline.file import MAX_FILE_BYTES

GOOD = """\
kafka:
  bootstrap.servers: broker-1:9092
agents:
  score:
    input: sensor.readings
    output: sensor.anomalies
    event: SensorReading
    model: {name: robust_zscore, options: {window: 64}}
"""

#: What is wrong -> the file and the whole message after the file's name.
BAD = {
    "empty": ("", ":1:1: the file is empty"),
    "only a comment": ("# nothing\n", ":1:1: the file is empty"),
    "not YAML": (
        "agents:\n  a: [1, 2\nkafka: {}\n",
        ":3:6: not YAML: while parsing a flow sequence expected ',' or ']', but got ':'",
    ),
    "a list": ("- a\n", ":1:1: expected a mapping with the key 'agents'"),
    "two documents": (
        "agents: {}\n---\nagents: {}\n",
        ":2:1: not YAML: expected a single document in the stream but found another document",
    ),
    "no agents": ("kafka: {}\n", ":1:1: the key 'agents' is missing"),
    "agents empty": ("agents: {}\n", ":1:9: agents: expected at least one entry"),
    "key twice": (
        GOOD + "    input: other\n",
        ":9:5: the key 'input' is in line 5 already",
    ),
    "unknown key": (
        GOOD + "    bacth: {max_batch_size: 3}\n",
        ":9:5: agents.score.bacth: unknown key: did you mean 'batch'?",
    ),
    "unknown key on top": (
        GOOD + "metric: {}\n",
        ":9:1: metric: unknown key: did you mean 'metrics'?",
    ),
    "fields of no event": (
        GOOD + "    fields:\n      source: id\n      values: [a]\n",
        ":10:7: agents.score.fields.source: SensorReading has no such field: "
        "did you mean 'source_id'?",
    ),
    "fields without what the event needs": (
        GOOD + "    fields: {source_id: id}\n",
        ":9:5: agents.score.fields: SensorReading needs values: add a path for it",
    ),
    "a time without its format": (
        GOOD + "    fields:\n      values: [a]\n      event_time: ts\n",
        ":11:19: agents.score.fields.event_time: expected {path: ts, format: ...} with one of "
        "iso8601, unix_s, unix_ms, unix_us, unix_ns",
    ),
    "an unknown key of a field": (
        GOOD + "    fields:\n      values: {from: data, includes: ['*']}\n",
        ":10:28: agents.score.fields.values.includes: unknown key: did you mean 'include'?",
    ),
    "no path": (
        GOOD + "    fields:\n      values: [a, b.]\n",
        ":10:19: agents.score.fields.values[1]: 'b.': after . expected a name "
        '(odd ones: a["odd name"])',
    ),
    "fields of a model's event": (
        "agents:\n  z:\n    input: i\n    output: o\n    model: robust_zscore\n"
        "    fields: {text: t}\n",
        ":6:14: agents.z.fields.text: SensorReading has no such field: expected one of source_id, "
        "event_id, values, event_time, each",
    ),
    "where that is none": (
        GOOD + "    where: a = 1\n",
        ":9:12: agents.score.where: expected an operator or the end at '= 1'",
    ),
    "each with latest": (
        GOOD + "    overload: latest\n    deadline_seconds: 2\n"
        "    fields: {each: r, values: [a]}\n",
        ":11:14: agents.score.fields.each: not with `overload: latest`: the readings of a record "
        "have several ages",
    ),
    "an envelope around pictures": (
        GOOD.replace("SensorReading", "VideoFrame").replace("robust_zscore", "traffic_detector")
        .replace("window: 64", "score_threshold: 0.5")
        + "    codec: image\n    envelope: connect\n",
        ":10:15: agents.score.envelope: not with `codec: image`, whose value is the picture itself",
    ),
    "missing key": (
        "agents:\n  score:\n    input: a\n    output: b\n",
        ":2:3: agents.score: the key 'model' is missing",
    ),
    "wrong type": (
        GOOD + "    batch:\n      max_batch_size: many\n",
        ":10:23: agents.score.batch.max_batch_size: expected a whole number, got a text",
    ),
    "a quoted number": (
        GOOD + "    batch: {max_batch_size: '64'}\n",
        ":9:29: agents.score.batch.max_batch_size: expected a whole number, got a text",
    ),
    "out of range": (
        GOOD + "    batch: {max_batch_size: 0}\n",
        ":9:29: agents.score.batch.max_batch_size: expected a whole number >= 1",
    ),
    "a mapping expected": (
        GOOD + "    intake: 5\n",
        ":9:13: agents.score.intake: expected a mapping, got a whole number",
    ),
    "a topic's name": (
        GOOD.replace("sensor.anomalies", "sensor/anomalies"),
        ":6:13: agents.score.output: expected 1 to 200 letters, digits, '.', '_' or '-'",
    ),
    "an agent's name": (
        GOOD.replace("score:", "score it:"),
        ":4:3: agents.score it: expected 1 to 200 letters, digits, '.', '_' or '-'",
    ),
    "device": (
        GOOD + "    device: gpu\n",
        ":9:13: agents.score.device: expected auto, cpu, cuda or cuda:N",
    ),
    "dead letter codec without a registry": (
        GOOD + "    dead_letter_codec: avro\n",
        ":9:24: agents.score.dead_letter_codec: "
        "avro needs a schema registry: add `registry: {url: ...}`",
    ),
    "output codec": (
        GOOD + "    output_codec: yaml\n",
        ":9:19: agents.score.output_codec: "
        "expected one of json, msgpack, audio, avro, protobuf, json_schema",
    ),
    "codec": (
        GOOD + "    codec: jsn\n",
        ":9:12: agents.score.codec: no codec 'jsn': did you mean 'json'?",
    ),
    "codec for another event": (
        GOOD + "    codec: image\n",
        ":9:12: agents.score.codec: the image codec reads VideoFrame, not SensorReading: "
        "use json or msgpack",
    ),
    "event": (
        GOOD.replace("SensorReading", "SensorRaeding"),
        ":7:12: agents.score.event: no event type 'SensorRaeding': did you mean 'SensorReading'? "
        "(your own: ./file.py:Class)",
    ),
    "model": (
        GOOD.replace("robust_zscore", "robust_zscor"),
        ":8:12: agents.score.model: no model 'robust_zscor': did you mean 'robust_zscore'? "
        "(your own: ./file.py:Class, ./model.onnx)",
    ),
    "output is input": (
        GOOD.replace("sensor.anomalies", "sensor.readings"),
        ":6:13: agents.score.output: a loop: what goes to 'sensor.readings' comes back to "
        "'sensor.readings'",
    ),
    "output is dead letters": (
        GOOD.replace("sensor.anomalies", "sensor.readings.dlq"),
        ":4:3: agents.score.dead_letters: 'sensor.readings.dlq' is this agent's topic for "
        "something else already",
    ),
    "one input twice": (
        GOOD + "  again: {input: sensor.readings, output: x, model: robust_zscore}\n",
        ":9:18: agents.again.input: agent 'score' reads 'sensor.readings' already: one agent a "
        "topic (for a second one run a second pipeline file with another group.id)",
    ),
    "kafka setting": (
        GOOD.replace("bootstrap.servers", "bootstrap.server"),
        ":2:3: kafka.bootstrap.server: unknown setting: did you mean 'bootstrap.servers'?",
    ),
    "kafka value": (
        GOOD.replace("agents:", "  security.protocol: SSSL\nagents:"),
        ":3:22: kafka.security.protocol: expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
    ),
    "topic of no agent": (
        GOOD + "topics:\n  sensor.reading: {partitions: 3}\n",
        ":10:3: topics.sensor.reading: no agent has this topic: did you mean 'sensor.readings'?",
    ),
    "undefined variable": (
        GOOD.replace("broker-1:9092", "${NO_SUCH}:9092"),
        ":2:22: kafka.bootstrap.servers: the environment variable NO_SUCH is not set",
    ),
    "absent secret file": (
        GOOD.replace("broker-1:9092", "${file:/no/such/file}"),
        ":2:22: kafka.bootstrap.servers: the file /no/such/file can't be read: "
        "No such file or directory",
    ),
    "a tag": (
        GOOD + "metrics: !!python/object:os.system {}\n",
        ":9:10: the tag 'tag:yaml.org,2002:python/object:os.system': expected a value without a "
        "tag",
    ),
    "a merge key": (
        "a: &a {}\nagents:\n  <<: *a\n",
        ":3:3: merge keys (<<) are not supported: write the keys out",
    ),
    "too deep": ("a: " + "[" * 40 + "]" * 40, ":1:36: nested deeper than 32 levels"),
    "far too deep": ("[" * 5000 + "]" * 5000, ":1:1: nested deeper than 32 levels"),
    "not UTF-8": (b"agents:\n  a: \xff\n", ":2:1: not UTF-8 text"),
    "too large": (b" " * (MAX_FILE_BYTES + 1), ": more than 262144 bytes: not a pipeline file"),
}  # fmt: skip
