"""Models that cluster behavior. Their names are in `models/registry.py`."""
