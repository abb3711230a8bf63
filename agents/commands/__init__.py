"""What people type: a file or a folder for each command. Nothing else imports it."""
