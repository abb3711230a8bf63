"""Models that another server runs. Their names are in `models/registry.py`."""
