import torch

import dance_lib as dance
from dance_lib.bench.network import draw_clips, open_network
from dance_lib.data.actions import ACTIONS


def test_a_random_network_is_the_same_each_time_and_its_logits_are_of_ordinary_size(setting):
    clip, shown = draw_clips(setting)
    assert (tuple(clip.shape), shown) == ((2, 3, 6, 32, 32), "noise")
    with torch.no_grad():
        logits = open_network(setting).dense(clip)
        assert torch.equal(logits, open_network(setting).dense(clip))
    assert logits.shape == (2, 101)
    assert 0.1 < logits.std() < 10


def test_a_controller_of_the_built_in_set_sees_that_set(setting, net, tmp_path):
    backbone = dance.create_model("r2plus1d_narrow", len(ACTIONS), setting.clip_shape)
    saved = dance.save(
        dance.Dance(backbone, setting.clip_shape), tmp_path / "a.safetensors", ACTIONS
    )
    with_set = setting.model_copy(update={"checkpoint": str(saved)})
    clip, shown = draw_clips(with_set)
    assert (tuple(clip.shape), shown) == ((2, 3, 6, 32, 32), "built-in set")
    assert clip.dtype == torch.float32
    assert 0 <= clip.min() < clip.max() <= 1
    assert torch.equal(clip, draw_clips(with_set)[0])
    other = dance.save(dance.Dance(backbone, setting.clip_shape), tmp_path / "b.safetensors")
    assert draw_clips(setting.model_copy(update={"checkpoint": str(other)}))[1] == "noise"
    assert open_network(with_set).backbone.recipe.num_classes == len(ACTIONS)
