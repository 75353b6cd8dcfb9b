"""What Kubernetes and each data plane do with a flow, and where data planes part ways. Pure."""
