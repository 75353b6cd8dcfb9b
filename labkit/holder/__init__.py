"""Labs that stay: a process that owns each of them, and how others reach it."""
