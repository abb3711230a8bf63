"""The agents that Penstock ships, as a list: topic in, model, topic out.

Each file declares one agent as data. The demo, `penstock schemas export` and the pipeline file read
these declarations (an agent of one of these names inherits what the file leaves out), and
`agents/worker.py` joins each agent to its parts. A user's agents are declared in a pipeline file.
"""

from agents.classify_images import CLASSIFY_IMAGES
from agents.cluster_behavior import CLUSTER_BEHAVIOR
from agents.detect_objects import DETECT_OBJECTS
from agents.merge_clusters import MERGE_CLUSTERS
from agents.recommend_items import RECOMMEND_ITEMS
from agents.score_anomalies import SCORE_ANOMALIES
from agents.segment_images import SEGMENT_IMAGES
from agents.speak_text import SPEAK_TEXT
from agents.track_objects import TRACK_OBJECTS
from agents.transcribe_speech import TRANSCRIBE_SPEECH
from agents.understand_text import UNDERSTAND_TEXT
from agents.watch_scenes import WATCH_SCENES
from agents.watch_sources import WATCH_SOURCES

AGENTS = {
    "detect_objects": DETECT_OBJECTS,
    "classify_images": CLASSIFY_IMAGES,
    "segment_images": SEGMENT_IMAGES,
    "understand_text": UNDERSTAND_TEXT,
    "score_anomalies": SCORE_ANOMALIES,
    "cluster_behavior": CLUSTER_BEHAVIOR,
    "merge_clusters": MERGE_CLUSTERS,
    "track_objects": TRACK_OBJECTS,
    "watch_scenes": WATCH_SCENES,
    "recommend_items": RECOMMEND_ITEMS,
    "watch_sources": WATCH_SOURCES,
    "transcribe_speech": TRANSCRIBE_SPEECH,
    "speak_text": SPEAK_TEXT,
}
