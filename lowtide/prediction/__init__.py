"""Prediction of a training run from what is finished of it, or from earlier runs. Pure."""
