"""`penstock plan`: how many machines a rate needs."""
