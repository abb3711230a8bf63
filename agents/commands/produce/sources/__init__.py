"""Sources of events: files, cameras, demo data and folders of real data.

Every source yields events with a `source_id`, the record's key. None of them uses Kafka:
`agents/commands/produce/event_publisher.py` publishes them.
"""

from agents.commands.produce.sources.source import Source, SourceError, repeat, round_robin, spread

__all__ = ["Source", "SourceError", "repeat", "round_robin", "spread"]
