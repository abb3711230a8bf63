"""Models that understand texts. Their names are in `models/registry.py`."""
