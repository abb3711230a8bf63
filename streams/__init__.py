"""The path of a record through a worker, from the fetch to the commit; independent of models."""
