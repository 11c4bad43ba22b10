import pytest
import torch
from pydantic import ValidationError

from dance_lib.errors import DanceError
from dance_lib.train import Recipe


def test_retraining_is_everything_behind_the_dense_stage():
    recipe = Recipe(dense_epochs=7, ava_epochs=3, controller_epochs=4, joint_epochs=5)
    assert recipe.retrain_epochs == 12


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 3},  # no such field
        {"batch_size": 0},
        {"lr": 0.0},
        {"joint_epochs": -1},
        {"budget": 0.0},
        {"budget": 1.1},
        {"label_smoothing": 1.0},
        {"anneal": 1.5},
        {"slack": (0.1,)},
        {"slack": (-0.1, 0.2)},
        {"axis_share": 1.1},
        {"threshold_lr": 0.0},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(DanceError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_a_recipe_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().lr = 1.0


def test_the_budget_is_that_of_the_recipe():
    budget = Recipe(budget=0.3, slack=(0.1, 0.2), anneal=0.25, axis_share=0.4).make_budget()
    assert (budget.target, budget.slack, budget.anneal) == (0.3, (0.1, 0.2), 0.25)
    assert budget.axis_share == 0.4


def test_clips_are_augmented_only_where_asked_for():
    assert Recipe().make_augmentation() is None
    augment = Recipe(augment=True).make_augmentation()
    clips = torch.full((2, 3, 2, 20, 20), 0.5)
    changed = augment(clips, torch.Generator().manual_seed(0))
    assert changed.shape == clips.shape
    assert not torch.equal(changed, clips)


@pytest.mark.parametrize(
    ("clips", "times"), [(96, 8), (375, 8), (600, 5), (2400, 1), (3000, 1), (9537, 1)]
)
def test_few_clips_get_more_epochs(clips, times):
    usual, recipe = Recipe(), Recipe.for_clips(clips)
    for stage in ("dense", "ava", "controller", "joint"):
        name = f"{stage}_epochs"
        assert getattr(recipe, name) == times * getattr(usual, name)
    assert recipe.batch_size == (usual.batch_size if times == 1 else usual.batch_size / 2)
    assert recipe.lr == usual.lr


def test_what_is_given_goes_before():
    recipe = Recipe.for_clips(96, dense_epochs=0, batch_size=4, budget=0.3)
    assert (recipe.dense_epochs, recipe.batch_size, recipe.budget) == (0, 4, 0.3)
    assert recipe.joint_epochs == 40
    with pytest.raises(DanceError, match="Recipe: budget"):
        Recipe.for_clips(96, budget=2)
