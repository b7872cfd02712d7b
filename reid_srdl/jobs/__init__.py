"""What the commands do, one file each: every job ties rooms below together, and prints nothing."""
