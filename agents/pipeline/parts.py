"""Turn an agent's settings into its event type, its codec and a way to make its model.

`model:` names a registered model, a user's class, an ONNX file or a Hugging Face folder. Only the
module that holds the class is imported here; the model itself loads later.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from agents.pipeline.input_fields import make_reader
from agents.pipeline.user_code import is_user_code, load_class
from models.base import Model, ModelError, OnlineModel, PreparedModel
from models.model_folder import served_by
from models.registry import make_model, model_class
from models.vision.folder_config import read_json
from models.weights import refuse_pickle
from schemas import (
    EVENT_TYPES,
    BehaviorEvent,
    Event,
    SensorReading,
    SpokenAudio,
    TextMessage,
    VideoFrame,
    make_codec,
)
from schemas.cloudevents import type_name
from schemas.codecs import Codec
from schemas.mapping.reader import RecordReader
from schemas.registry.codecs import make_framed
from schemas.registry.framed import FramedValues
from schemas.side_records import SIDE_TYPES
from streams.decoding import Decoder
from streams.ingest import BatchDecoder
from streams.mapped_decoding import MappedDecoder
from streams.settings import AgentSettings
from streams.side_records import SideRecordDecoder

AnyModel: TypeAlias = Model[Any, Any]

#: How transformers' class names end -> the model that reads such a folder.
_FRAME_MODELS = {
    "ForImageClassification": "image_classifier",
    "ForSemanticSegmentation": "image_segmenter",
    "ForUniversalSegmentation": "image_segmenter",
}
#: The NVIDIA driver's device node: looked for rather than importing torch, which takes seconds.
_DRIVER = Path("/dev/nvidiactl")


class AgentParts(msgspec.Struct, frozen=True):
    """The parts of one agent."""

    event_type: type[Event]
    codec: Codec
    """Reads input whose values are events as they stand."""
    reader: RecordReader | None
    """Reads input that is mapped, filtered or in an envelope; None: `codec` does."""
    model_type: type[AnyModel]
    make_model: Callable[[], AnyModel]
    """Makes an instance that is not loaded yet: one for each replica, or one for each partition of
    an online model. Raises `ModelError` if the options don't fit."""
    framed: FramedValues | None = None
    """The reader's codec, if its schemas come from a registry."""


def load_agent(
    settings: AgentSettings, base_dir: Path = Path(), *, is_checking_json: bool = False
) -> AgentParts:
    """Return an agent's parts, after checking that they fit together.

    Args:
        settings: of the agent.
        base_dir: where relative paths and user packages are looked for: the pipeline file's folder.
        is_checking_json: the registry's `check_json`.

    Raises:
        ModelError: something named does not exist, or the event type, the codec and the model
            don't fit each other. The message is one line.
    """
    declared = load_event_type(settings.event, base_dir) if settings.event else None
    model_type, options = load_model_class(settings, declared, base_dir)
    _require_fit(settings, model_type)
    _require_side_records(settings, model_type)
    event_type = _agreed_event_type(declared, model_type)
    try:
        codec = make_codec("json" if settings.has_schemas else settings.codec, event_type)
    except ValueError as error:
        raise ModelError(str(error)) from error
    framed = make_framed(settings.codec, is_checking_json) if settings.has_schemas else None
    if settings.writes_schemas and model_type.result_type is None:
        raise ModelError(
            f"output_codec: {settings.output_codec} needs a model with a result_type, which "
            f"{model_type.__name__} lacks: its answers have no schema"
        )
    _require_sound(settings, model_type)
    reader = make_reader(settings, event_type, base_dir, framed) if settings.is_mapped else None
    return AgentParts(
        event_type, codec, reader, model_type, lambda: make_model(model_type, options), framed
    )


def make_decoder(settings: AgentSettings, parts: AgentParts) -> BatchDecoder:
    """Return what decodes an agent's record batches."""
    limits = (settings.max_record_bytes, settings.limits)

    def of_side_records(kind: type[Event]) -> Decoder[Event]:
        return Decoder(make_codec("json", kind), *limits, kind, settings.key_format)

    events: BatchDecoder
    if parts.reader is not None:
        events = MappedDecoder(parts.reader, *limits, settings.key_format)
    else:
        events = Decoder(parts.codec, *limits, parts.event_type, settings.key_format)
    if parts.event_type in SIDE_TYPES.values():  # such as `label_relay`: they are its events
        return events
    return SideRecordDecoder(events, parts.model_type.side_types, of_side_records)


def load_event_type(spec: str, base_dir: Path = Path()) -> type[Event]:
    """Return a registered event type or a user's class.

    Raises:
        ModelError: no such type, or not a subclass of `schemas.Event`.
    """
    if not is_user_code(spec):
        if spec not in EVENT_TYPES:
            raise ModelError(f"no event type {spec!r}: expected one of {', '.join(EVENT_TYPES)}")
        return EVENT_TYPES[spec]
    event_type = load_class(spec, base_dir)
    if not issubclass(event_type, Event):
        raise ModelError(f"{spec}: not an event type: make it a subclass of schemas.Event")
    return event_type


def load_model_class(
    settings: AgentSettings, event_type: type[Event] | None, base_dir: Path = Path()
) -> tuple[type[AnyModel], dict[str, Any]]:
    """Return the class that `model:` names, and the options to make it with.

    Args:
        settings: of the agent.
        event_type: the agent's `event:`; needed for an ONNX file, which does not name its own.
        base_dir: where relative paths start.

    Raises:
        ModelError: no such model, file or folder, or a class that can't answer a batch.
    """
    name, options = settings.model_name, settings.model_options
    path = base_dir / name
    if is_user_code(name):
        return _as_model(load_class(name, base_dir), name), options
    refuse_pickle(path)
    if name.endswith(".onnx"):
        return registered_model(_onnx_model(path, event_type)), {"path": str(path), **options}
    if (served := served_by(path)) is not None:
        return registered_model(served[0]), {**served[1], **options}
    if "/" in name or path.is_dir():
        return _folder_model(path, event_type), {"path": str(path), **options}
    return registered_model(name), options


def registered_model(name: str) -> type[AnyModel]:
    """Return the class of a registered model.

    Raises:
        ModelError: no such model, or a package that it needs is not installed.
    """
    try:
        return model_class(name)
    except ImportError as error:
        raise ModelError(f"model {name!r} can't be imported: {error}") from error


def _onnx_model(path: Path, event_type: type[Event] | None) -> str:
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    if event_type is None:
        raise ModelError(f"{path}: an ONNX file needs `event:` beside it: the event type it reads")
    if issubclass(event_type, VideoFrame):
        return "onnx_detector"
    if issubclass(event_type, SensorReading | BehaviorEvent):
        return "onnx_tabular"
    if issubclass(event_type, TextMessage) and (path.parent / "config.json").is_file():
        return _folder_model_name(path.parent, event_type)
    raise ModelError(
        f"{path}: an ONNX file reads VideoFrame, SensorReading or BehaviorEvent, or "
        f"TextMessage with config.json and a tokenizer beside it; not {event_type.__name__}: wrap "
        "it in a class (./file.py:Class)"
    )


def _folder_model(path: Path, event_type: type[Event] | None) -> type[AnyModel]:
    if not path.is_dir():
        raise ModelError(f"{path}: no such folder")
    if not (path / "config.json").is_file():
        raise ModelError(f"{path}: no config.json in it: expected a Hugging Face model folder")
    return registered_model(_folder_model_name(path, event_type))


def _folder_model_name(path: Path, event_type: type[Event] | None) -> str:
    """Return which registered model reads a transformers folder; frames need the right kind.

    Raises:
        ModelError: the folder's config.json names no model that reads frames.
    """
    names = read_json(path / "config.json").get("architectures") or []
    if event_type is None or not issubclass(event_type, VideoFrame):
        finds_entities = any(str(name).endswith("ForTokenClassification") for name in names)
        return "huggingface_entities" if finds_entities else "huggingface_classifier"
    for ending, model in _FRAME_MODELS.items():
        if any(str(name).endswith(ending) for name in names):
            return model
    raise ModelError(
        f"{path}: its config.json has the architectures {names}: frames are read by those that end "
        f"in {', '.join(_FRAME_MODELS)}; or write model: {{name: ..., options: {{path: ...}}}}"
    )


def _require_fit(agent: AgentSettings, model_type: type[AnyModel]) -> None:
    """Check that the model can do what the agent's settings ask for.

    Raises:
        ModelError: it learns, so it must run in the worker and see all events in order.
    """
    name = model_type.__name__
    if not issubclass(model_type, OnlineModel):
        return
    if agent.isolation == "process":
        raise ModelError(
            f"isolation: process is for models that don't learn, and {model_type.name} does: its "
            "state lives in the worker: leave isolation out"
        )
    if agent.overload == "latest":
        raise ModelError(
            f"model {name} learns from the stream and must see every event: "
            "`overload: latest` would make its state depend on how busy the worker was"
        )


def _require_side_records(agent: AgentSettings, model_type: type[AnyModel]) -> None:
    """Check that only side records leave by another route: they can't go round in a loop.

    Raises:
        ModelError: the results are no side records, or would not be JSON.
    """
    if agent.route == "partition":
        return
    result_type = model_type.result_type
    if result_type is None or type_name(result_type).encode() not in SIDE_TYPES:
        raise ModelError(
            f"route: {agent.route} is for side records, such as those of label_relay; the results "
            f"of {model_type.__name__} go to the partition of their input: leave route out"
        )
    if agent.output_codec != "json":
        raise ModelError(f"route: {agent.route} needs output_codec: json, as side records do")


def _require_sound(agent: AgentSettings, model_type: type[AnyModel]) -> None:
    """Check that results are sound where they are written as sound.

    Raises:
        ModelError: they are not.
    """
    result_type = model_type.result_type
    if agent.output_codec == "audio" and not (
        result_type is not None and issubclass(result_type, SpokenAudio)
    ):
        raise ModelError(
            f"output_codec: audio is for models whose results are sound; those of "
            f"{model_type.__name__} are not: use json or msgpack"
        )


def _agreed_event_type(declared: type[Event] | None, model_type: type[AnyModel]) -> type[Event]:
    expected = model_type.event_type
    if declared is None:
        if expected is Event:
            raise ModelError(
                f"model {model_type.__name__} has no event_type: add `event:` to the agent"
            )
        return expected
    if not issubclass(declared, expected):
        raise ModelError(
            f"model {model_type.__name__} reads {expected.__name__}, but the agent's event is "
            f"{declared.__name__}"
        )
    return declared


def _as_model(cls: type[Any], spec: str) -> type[AnyModel]:
    """Return the class as a `Model`, with defaults for what it leaves out (`load`, `close` ...)."""
    base = _base_for(cls, spec)
    if issubclass(cls, Model) and cls.name:
        return cls
    attributes = {"name": getattr(cls, "name", "") or cls.__name__, "__module__": cls.__module__}
    bases = (cls,) if issubclass(cls, Model) else (cls, base)
    try:
        made: type[AnyModel] = type(cls.__name__, bases, attributes)
    except TypeError as error:
        raise ModelError(f"{spec}: can't be used as a model: {error}") from error
    return made


def _base_for(cls: type[Any], spec: str) -> type[AnyModel]:
    def has(*names: str) -> bool:
        return all(callable(getattr(cls, name, None)) for name in names)

    if has("prepare_batch", "predict_prepared"):
        return PreparedModel
    if not has("predict_batch"):
        raise ModelError(f"{spec}: not a model: it has no method predict_batch(batch)")
    return OnlineModel if has("learn_batch", "snapshot", "restore") else Model


def choose_devices(
    wanted: str, model_type: type[Model[Any, Any]], driver: Path = _DRIVER
) -> list[str]:
    """Return the devices to load an agent's model on, the preferred one first.

    `auto` is the first GPU, where there is one and the model can use it, then the CPU. Any other
    device is the only one to try.
    """
    if wanted != "auto":
        return ["cuda:0" if wanted == "cuda" else wanted]
    return ["cuda:0", "cpu"] if model_type.uses_gpu and driver.exists() else ["cpu"]
