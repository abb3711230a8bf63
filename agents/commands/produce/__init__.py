"""`penstock produce`: publish events from files, cameras or demo sources."""
