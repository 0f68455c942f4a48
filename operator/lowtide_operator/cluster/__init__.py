"""Cluster I/O: every call to the API server, and what is kept of its answers."""
