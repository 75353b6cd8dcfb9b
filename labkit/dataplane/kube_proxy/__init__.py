"""The real kube-proxy as a data plane: a read-only API server that tells it of the cluster."""
