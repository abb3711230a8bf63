"""`penstock produce`."""
