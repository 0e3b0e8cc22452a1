"""Prequential evaluation of the recommender, of arms of it and of baselines, in one pass over the same rows."""

from models.evaluation.prequential import Arm, Report, evaluate
from models.evaluation.summary import summary

__all__ = ["Arm", "Report", "evaluate", "summary"]
