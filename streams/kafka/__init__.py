"""Kafka outside the record path: settings, errors, administration, record format."""
