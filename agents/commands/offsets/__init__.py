"""`penstock offsets`: where a consumer group stands, and moving it."""
