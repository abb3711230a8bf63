"""Models that find objects in frames. Their names are in `models/registry.py`."""
