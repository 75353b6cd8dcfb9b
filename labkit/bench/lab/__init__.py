"""Set-up and tear-down of labs, beside the netlink floor and other tools."""
