"""The numbers of one training run."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from dance_lib.aap.budget import Budget, NotNegative
from dance_lib.arguments import Options, Size, checked
from dance_lib.data.augmentation import augmentation
from dance_lib.data.clips import Augment

USUAL = 3000  # training clips of the built-in set, which the default numbers were found on
LONGEST = 8


class Recipe(Options):
    """Epochs, rates and weights. All arms of a comparison share one recipe.

    Every arm starts from one dense network, trained for `dense_epochs`, and is retrained for
    `retrain_epochs` under one schedule with distillation from that dense network. The reference
    spends them on plain training; the others on AVA, the controller alone, and both together.
    """

    batch_size: int = Field(32, ge=1)
    dense_epochs: int = Field(6, ge=0)
    ava_epochs: int = Field(1, ge=0)
    controller_epochs: int = Field(1, ge=0)
    joint_epochs: int = Field(5, ge=0)

    lr: float = Field(3e-3, gt=0)  # peak of the dense stage, one cycle
    retrain_lr: float = Field(2e-3, gt=0)  # falls by a cosine over all retraining
    controller_lr: float = Field(1e-3, gt=0)  # slow: gates that change fast destroy what is learned
    threshold_lr: float = Field(3e-2, gt=0)  # of the gates' biases, by which the budget is met
    weight_decay: float = Field(0.05, ge=0)
    label_smoothing: float = Field(0.05, ge=0, lt=1)

    augment: bool = False  # shift and brightness; off for the built-in set, which is drawn anew

    distill: float = Field(0.3, ge=0)  # weight of the dense network's soft labels
    distill_temperature: float = Field(2.0, gt=0)
    ava_weight: float = Field(0.1, ge=0)

    budget: float = Field(0.5, gt=0, le=1)  # ρ
    budget_weight: float = Field(30.0, ge=0)
    slack: tuple[NotNegative, NotNegative] = (0.0, 0.15)
    anneal: float = Field(0.33, ge=0, le=1)
    axis_share: float = Field(0.15, ge=0, le=1)  # of 1 − ρ that each axis drops by itself at least
    gate_noise: float = Field(0.1, ge=0)  # of the logistic noise at the start; 0 at the end

    @classmethod
    @checked
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """The recipe of those parameters that it knows; others are left aside.

        Raises:
            DanceError: a value is out of its range.
        """
        known = {name: parameters[name] for name in cls.model_fields if name in parameters}
        return cls(**known)

    @classmethod
    @checked
    def for_clips(cls, clips: Size, **fields: Any) -> Self:
        """The default numbers for so many training clips, but for `fields`.

        Where clips are few a stage has more epochs, to make as many steps as over `USUAL` clips:
        up to `LONGEST` times as many. And smaller batches, for more steps yet.

        Raises:
            DanceError: a value is out of its range.
        """
        times = min(LONGEST, max(1, round(USUAL / clips)))
        usual = cls.of({})
        numbers: dict[str, Any] = {
            name: getattr(usual, name) * times
            for name in ("dense_epochs", "ava_epochs", "controller_epochs", "joint_epochs")
        }
        numbers["batch_size"] = usual.batch_size if times == 1 else usual.batch_size // 2
        return cls.of(numbers | fields)

    @property
    def retrain_epochs(self) -> int:
        """Epochs after the dense stage, the same for every arm."""
        return self.ava_epochs + self.controller_epochs + self.joint_epochs

    def make_augmentation(self) -> Augment | None:
        """Random changes to training clips, where asked for."""
        return augmentation() if self.augment else None

    def make_budget(self) -> Budget:
        """The penalty of this recipe."""
        return Budget(self.budget, self.slack, self.anneal, self.axis_share)
