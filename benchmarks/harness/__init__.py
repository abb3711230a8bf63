"""`penstock bench`: Penstock and its peers on the same broker, records and machine, in turn."""
