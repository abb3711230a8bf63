"""Models that find anomalies in sensor readings. Their names are in `models/registry.py`."""
