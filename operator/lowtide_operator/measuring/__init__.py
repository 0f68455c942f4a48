"""Measurement of a job: samples become energy, carbon, scores and what waiting saved."""
