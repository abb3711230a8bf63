"""Where events come from: files, cameras, the demo's own sets and folders of real data.

Every source yields events with a `source_id`, the record's key. None of them knows Kafka:
`agents/commands/produce/event_publisher.py` takes any of them to a topic.
"""

from agents.commands.produce.sources.source import Source, SourceError, repeat, round_robin, spread

__all__ = ["Source", "SourceError", "repeat", "round_robin", "spread"]
