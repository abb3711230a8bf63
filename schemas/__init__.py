"""Event types in, result types out, and the codecs between them and bytes.

Imports no Kafka, no Faust and no model, so that a producer script can use it alone.
"""

from schemas.alert_text import AlertText
from schemas.anomaly_report import AnomalyReport
from schemas.audio import AudioChunk, SpokenAudio, SpokenWord, Transcript, TranscriptNote
from schemas.audio_codec import AudioCodec
from schemas.behavior import BehaviorEvent
from schemas.classification import Classification, ClassScore
from schemas.cluster import Cluster, ClusterAssignment, ClusterUpdate
from schemas.cluster_picture import ClusterReport, GlobalCluster, GlobalClusterRecord, Member
from schemas.codecs import CODECS, ImageCodec, JsonCodec, MsgpackCodec, make_codec
from schemas.dead_letter import DeadLetter
from schemas.detected_frame import DetectedFrame
from schemas.detection import Detection, Detections
from schemas.drift_event import DriftEvent
from schemas.errors import (
    DecodeError,
    EmptyValueError,
    InputError,
    SchemaError,
    TooLargeError,
    Unavailable,
    UnknownVersionError,
)
from schemas.event import Event, FiniteFloat, Origin, Result
from schemas.feedback import Feedback, FeedbackCopy
from schemas.frame import VideoFrame
from schemas.heartbeat import Heartbeat
from schemas.interaction import Interaction
from schemas.item_summary import ItemSummary, ItemSummaryRecord
from schemas.nlu import (
    Entity,
    IntentScore,
    LabelSimilarity,
    NluResult,
    TextEmbedding,
    TextEntities,
    TextLabels,
    TextUnderstanding,
)
from schemas.recommendation import Recommendation, RecommendedItem
from schemas.replay import Replay
from schemas.scene_event import SceneEvent
from schemas.score import AnomalyScore
from schemas.segmentation import Region, RunLengthMask, Segmentation
from schemas.sensor import SensorReading
from schemas.settlement import Settlement
from schemas.source_event import SourceEvent
from schemas.text import TextMessage
from schemas.transliteration import Transliteration, TransliterationCandidate

#: Every event type that a pipeline file can name without a module path.
EVENT_TYPES: dict[str, type[Event]] = {
    t.__name__: t
    for t in (
        VideoFrame,
        TextMessage,
        SensorReading,
        BehaviorEvent,
        DetectedFrame,
        Interaction,
        Heartbeat,
        Feedback,
        ClusterReport,
        GlobalClusterRecord,
        ItemSummaryRecord,
        AudioChunk,
        AnomalyReport,
    )
}
#: Every result type that Penstock's registered models emit.
RESULT_TYPES: dict[str, type[Result]] = {
    t.__name__: t
    for t in (
        Detections,
        Classification,
        Segmentation,
        NluResult,
        TextEmbedding,
        TextEntities,
        TextLabels,
        TextUnderstanding,
        AnomalyScore,
        ClusterAssignment,
        ClusterUpdate,
        GlobalCluster,
        ItemSummary,
        SceneEvent,
        Recommendation,
        SourceEvent,
        FeedbackCopy,
        DriftEvent,
        Transcript,
        SpokenAudio,
        Transliteration,
        AlertText,
    )
}

#: Result types whose models may publish updates, and the type of these.
UPDATE_TYPES: dict[type[Result], type[Result]] = {
    ClusterAssignment: ClusterUpdate,
    Recommendation: ItemSummary,
}

__all__ = [
    "CODECS",
    "EVENT_TYPES",
    "RESULT_TYPES",
    "UPDATE_TYPES",
    "AlertText",
    "AnomalyReport",
    "AnomalyScore",
    "AudioChunk",
    "AudioCodec",
    "BehaviorEvent",
    "ClassScore",
    "Classification",
    "Cluster",
    "ClusterAssignment",
    "ClusterReport",
    "ClusterUpdate",
    "DeadLetter",
    "DecodeError",
    "DetectedFrame",
    "Detection",
    "Detections",
    "DriftEvent",
    "EmptyValueError",
    "Entity",
    "Event",
    "Feedback",
    "FeedbackCopy",
    "FiniteFloat",
    "GlobalCluster",
    "GlobalClusterRecord",
    "Heartbeat",
    "ImageCodec",
    "InputError",
    "IntentScore",
    "Interaction",
    "ItemSummary",
    "ItemSummaryRecord",
    "JsonCodec",
    "LabelSimilarity",
    "Member",
    "MsgpackCodec",
    "NluResult",
    "Origin",
    "Recommendation",
    "RecommendedItem",
    "Region",
    "Replay",
    "Result",
    "RunLengthMask",
    "SceneEvent",
    "SchemaError",
    "Segmentation",
    "SensorReading",
    "Settlement",
    "SourceEvent",
    "SpokenAudio",
    "SpokenWord",
    "TextEmbedding",
    "TextEntities",
    "TextLabels",
    "TextMessage",
    "TextUnderstanding",
    "TooLargeError",
    "Transcript",
    "TranscriptNote",
    "Transliteration",
    "TransliterationCandidate",
    "Unavailable",
    "UnknownVersionError",
    "VideoFrame",
    "make_codec",
]
