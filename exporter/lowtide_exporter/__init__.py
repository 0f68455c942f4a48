"""The Lowtide exporter."""
