"""kube-proxy's IPVS mode: virtual servers, ipsets and rules, rendered and installed."""
