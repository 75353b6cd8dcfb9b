"""kube-proxy's nftables mode: `render` makes the rules, `apply` installs them."""
