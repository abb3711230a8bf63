"""Move the learned state of sources to the partitions that their records now go to."""
