"""Training: dense -> AVA -> controller alone -> joint -> norm statistics, and its evaluation."""

from dance_lib.train.evaluate import Prediction, choose_plans, predict
from dance_lib.train.loop import TrainingError, forget
from dance_lib.train.pruning import Pruned, prune
from dance_lib.train.recipe import Recipe
from dance_lib.train.stages import (
    train_ava,
    train_controller,
    train_dense,
    train_gates,
    train_joint,
    train_planned,
)

__all__ = [
    "Prediction",
    "Pruned",
    "Recipe",
    "TrainingError",
    "choose_plans",
    "forget",
    "predict",
    "prune",
    "train_ava",
    "train_controller",
    "train_dense",
    "train_gates",
    "train_joint",
    "train_planned",
]
