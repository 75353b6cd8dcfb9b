"""Desired state: nodes, placement, addresses, endpoints. Pure."""
