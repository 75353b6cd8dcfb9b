"""What a cluster is derived from, kept so that the next one costs what changed. Pure."""
