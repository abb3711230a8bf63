"""Notices that a series has changed for good."""
