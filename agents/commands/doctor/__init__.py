"""`penstock doctor`: what is wrong on this machine and with the broker, and how to mend it."""
