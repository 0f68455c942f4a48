"""Trainer of Lowtide: report any training, and pause and resume it without losing work."""

from lowtide_trainer.session import TrainingRun, run

__all__ = ["TrainingRun", "run"]
