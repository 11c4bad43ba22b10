import pytest

import dance_lib as dance
from dance_lib.bench.setting import BenchError, choose_settings, parse_clip_shape
from dance_lib.checkpoint import CheckpointError


def test_every_combination_once():
    settings = choose_settings(models=["c3d", "s3d", "c3d"], batches=[1], rounds=4)
    assert [s.name for s in settings] == [
        f"{model}.16x112x112.{precision}.{threads}.batch1"
        for model in ("c3d", "s3d")
        for precision in ("float32", "bfloat16")
        for threads in ("one", "all")
    ]
    assert {s.rounds for s in settings} == {4}
    assert settings[0].engines == ("eager", "compile", "onnxruntime", "openvino")


def test_defaults_are_the_networks_with_speeds_to_reach():
    settings = choose_settings()
    assert {s.model for s in settings} == {"r2plus1d_18", "r3d_18"}
    assert {s.batch for s in settings} == {1, 8}
    assert {s.rounds for s in choose_settings(quick=True)} == {3}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"models": ["r2d2"]}, "unknown model 'r2d2'; known: c2d_r50, c3d"),
        ({"engines": ["tensorrt"]}, "unknown engine 'tensorrt'; known: eager, compile"),
        ({"precisions": ["int8"]}, "unknown precision 'int8'; known: float32, bfloat16"),
        ({"threads": ["two"]}, "unknown threads 'two'; known: one, all"),
        ({"clip_shape": "16x112"}, "--clip-shape 16x112: write frames x height x width"),
        ({"clip_shape": "0x9x9"}, "--clip-shape 0x9x9"),
    ],
)
def test_what_is_unknown_is_named_with_what_is_known(asked, said):
    with pytest.raises(BenchError, match=said):
        choose_settings(**asked)


def test_a_clip_shape_is_frames_height_width():
    assert parse_clip_shape("16x112x96") == (3, 16, 112, 96)


@pytest.fixture
def checkpoint(tmp_path):
    torch_shape = (3, 4, 16, 16)
    backbone = dance.create_model("r2plus1d_narrow", 9, torch_shape)
    return dance.save(dance.Dance(backbone, torch_shape), tmp_path / "net.safetensors")


def test_a_checkpoint_brings_its_model_and_clip_shape(checkpoint):
    (setting,) = choose_settings(
        checkpoints=[checkpoint], precisions=["float32"], threads=["one"], batches=[1]
    )
    assert (setting.model, setting.clip_shape) == ("r2plus1d_narrow", (3, 4, 16, 16))
    assert setting.checkpoint == str(checkpoint)
    assert len(setting.checkpoint_hash) == 12


def test_several_checkpoints_are_one_setting_and_another_measurement(checkpoint, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(checkpoint.read_bytes())
    rest = {"precisions": ["float32"], "threads": ["one"], "batches": [1]}
    (one,) = choose_settings(checkpoints=[checkpoint], **rest)
    (both,) = choose_settings(checkpoints=[checkpoint, other], **rest)
    assert (both.checkpoint, both.checkpoints) == (str(checkpoint), (str(other),))
    assert both.checkpoint_hash != one.checkpoint_hash


def test_further_checkpoints_of_one_name_are_refused(checkpoint, tmp_path):
    """Their rows would be one row, and both show the times of the last."""
    others = [tmp_path / folder / "net.safetensors" for folder in ("half", "third")]
    for other in others:
        other.parent.mkdir()
        other.write_bytes(checkpoint.read_bytes())
    with pytest.raises(BenchError, match="two rows would be called controller net"):
        choose_settings(checkpoints=[checkpoint, *others])
    assert choose_settings(checkpoints=others)  # the first one's row has no name


@pytest.mark.parametrize(
    ("model", "classes", "said"),
    [
        ("c3d", 9, "holds a c3d of 9 classes on 4x16x16, .*: give checkpoints of one network"),
        ("r2plus1d_narrow", 5, "holds a r2plus1d_narrow of 5 classes on 4x16x16, .* of 9 classes"),
    ],
)
def test_checkpoints_of_two_networks_are_refused(checkpoint, tmp_path, model, classes, said):
    shape = (3, 4, 16, 16)
    other = dance.Dance(dance.create_model(model, classes, shape), shape)
    other = dance.save(other, tmp_path / "other.safetensors")
    for models in (None, ["r2plus1d_narrow", "c3d"]):
        with pytest.raises(BenchError, match=f"other.safetensors {said}"):
            choose_settings(models=models, checkpoints=[checkpoint, other])


def test_a_checkpoint_belongs_to_its_own_model_alone(checkpoint):
    settings = choose_settings(
        models=["s3d", "r2plus1d_narrow"], clip_shape="4x16x16", checkpoints=[checkpoint]
    )
    assert {s.model for s in settings if s.checkpoint} == {"r2plus1d_narrow"}


def test_a_checkpoint_of_something_else_says_what_to_give(checkpoint):
    with pytest.raises(BenchError, match="holds a r2plus1d_narrow: add --model r2plus1d_narrow"):
        choose_settings(models=["s3d"], checkpoints=[checkpoint])
    with pytest.raises(BenchError, match="takes clips of 4x16x16: give --clip-shape 4x16x16"):
        choose_settings(clip_shape="16x112x112", checkpoints=[checkpoint])
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        choose_settings(checkpoints=[checkpoint.with_name("absent.safetensors")])


def test_a_gpu_has_defaults_of_its_own():
    settings = choose_settings(device="cuda")
    assert {s.model for s in settings} == {"r2plus1d_18", "r3d_18", "c3d", "slow_r50"}
    assert {s.batch for s in settings} == {1, 8, 32}
    assert {(s.precision, s.threads, s.device) for s in settings} == {("float16", "cuda", "cuda")}
    assert settings[0].name == "r2plus1d_18.16x112x112.float16.cuda.batch1"
    assert settings[0].engines == ("eager", "channels_last", "graph", "compile")
    assert settings[0].rounds == 100
    assert {s.device for s in choose_settings()} == {"cpu"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"device": "tpu"}, "unknown device 'tpu'; known: cpu, cuda"),
        ({"device": "cuda", "engines": ["openvino"]}, "unknown engine 'openvino'; known: eager"),
        ({"device": "cuda", "threads": ["one"]}, "unknown threads 'one'; known: cuda"),
        ({"precisions": ["float16"]}, "unknown precision 'float16'; known: float32, bfloat16"),
    ],
)
def test_what_is_for_another_device_is_unknown(asked, said):
    with pytest.raises(BenchError, match=said):
        choose_settings(**asked)
