"""Results and offsets in one transaction."""
