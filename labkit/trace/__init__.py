"""What is captured in the namespaces of a lab."""
