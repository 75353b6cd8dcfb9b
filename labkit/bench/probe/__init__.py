"""Probes a second, and how long each takes, beside bare clients and other tools."""
