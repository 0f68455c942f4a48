"""Meters of the hardware: what reads energy, power and use from devices and files.

An edge of the library, like `lowtide.grid.providers`: it may touch files, drivers and local
addresses, and it knows neither Kubernetes nor who a joule belongs to.
"""
