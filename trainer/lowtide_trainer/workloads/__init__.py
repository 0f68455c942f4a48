"""The reference workloads: networks, and how each is trained."""
