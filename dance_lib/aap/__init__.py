"""AAP, adaptive activation pruning: statistics -> controller -> gates -> plan, under a budget."""

from dance_lib.aap.budget import Budget
from dance_lib.aap.controller import Controller
from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import AXES, PlanError, PruningPlan
from dance_lib.aap.statistics import stem_statistics

__all__ = ["AXES", "Budget", "Controller", "Masks", "PlanError", "PruningPlan", "stem_statistics"]
