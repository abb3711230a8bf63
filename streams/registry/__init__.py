"""A schema registry: requests to it, and waiting for the schemas that records need."""
