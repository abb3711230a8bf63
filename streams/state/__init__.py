"""Store and restore snapshots of online models, with their offsets."""
