"""The running lab: a cluster built in the kernel, probed, changed, and gone when it is closed."""
