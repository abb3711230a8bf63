"""`penstock diff`: what a restart with another pipeline file will do."""
