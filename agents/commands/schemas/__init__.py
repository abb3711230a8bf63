"""`penstock schemas`."""
