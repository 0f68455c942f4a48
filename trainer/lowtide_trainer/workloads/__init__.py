"""Reference workloads: networks, and how each is trained."""
