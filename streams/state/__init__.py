"""Snapshots of online models, stored with the offset that they cover."""
