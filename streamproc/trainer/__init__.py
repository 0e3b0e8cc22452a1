"""The trainer process: one learner of the shared base model for all workers."""

from streamproc.trainer.service import Trainer, run_trainer

__all__ = ["Trainer", "run_trainer"]
