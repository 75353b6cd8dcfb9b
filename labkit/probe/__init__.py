"""Responders in pods, probes from clients, and the flow table that they make."""
