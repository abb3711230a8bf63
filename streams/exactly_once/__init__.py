"""Exactly once: results and offsets in one Kafka transaction."""
