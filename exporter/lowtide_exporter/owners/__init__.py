"""Owners of devices and CPUs: which container or job holds what, and since when."""
