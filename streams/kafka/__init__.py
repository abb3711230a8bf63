"""Kafka beside the record path: settings, errors, administration, the record format."""
