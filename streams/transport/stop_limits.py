"""Time limits for what a worker does after its time to stop.

Together with its producer's second and the end of the process, the worker ends within 8 seconds of
that time, whatever the brokers do.
"""

#: For its last commits, and for state to be stored.
LAST_COMMIT_SECONDS = 3.0
#: For the group that it leaves.
LEAVE_SECONDS = 4.0
#: The least time for any of these.
LEAST_SECONDS = 0.5
