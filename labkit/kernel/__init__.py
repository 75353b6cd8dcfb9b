"""The kernel edge: namespaces, netlink, processes. System calls live here."""
