"""Guest kernels: the same command line, run under a kernel that has what the host's lacks.

`launch` starts a guest and is its link to the outside; `init` is the guest's first process. They
share a folder, the exchange, and the few names in `exchange`.
"""
