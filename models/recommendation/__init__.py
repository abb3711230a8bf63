"""Recommendations that are learned from the stream of interactions."""
