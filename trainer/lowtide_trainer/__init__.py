"""Trainer of Lowtide: report any training or inference, and pause and resume a training safely."""

from lowtide_trainer.inference_run import InferenceRun, inference
from lowtide_trainer.session import TrainingRun, run

__all__ = ["InferenceRun", "TrainingRun", "inference", "run"]
