"""kube-proxy's iptables mode: `render` makes the rules, `apply` installs them."""
