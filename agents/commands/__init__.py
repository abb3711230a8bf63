"""What people type: a file or a folder for each command. Nothing else imports it."""

import sys

#: The command `penstock`, to be started as a child process.
#: -P: a folder called `agents` in the current folder must not be taken for this one.
PENSTOCK = (sys.executable, "-P", "-m", "agents.commands.main")
