"""`penstock lag`: how many records wait for a consumer group, whether or not a worker runs."""
