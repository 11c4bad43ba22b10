"""Exported networks against the masked executor, on every family and odd sizes."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from dance_lib.aap.plan import PruningPlan
from dance_lib.data import read_video
from dance_lib.deploy.codebook import Codebook, make_codebook
from dance_lib.deploy.convolution import ExportError
from dance_lib.deploy.export import export
from dance_lib.models.narrow import r2plus1d_narrow
from tests.deploy.networks import error, family, network, outputs, run
from tests.networks import CLASSES, CLIP, FAMILIES, Gated, Strided, TwoBlocks

CLOSE = 2e-6  # of the largest logit, float32 by another order of sums
FACTORISED = {"narrow", "r2plus1d", "slow", "s3d"}
OTHERS = {"gated": (Gated, CLIP), "two blocks": (TwoBlocks, TwoBlocks.clip)}


def any_network(name):
    return network(*OTHERS[name]) if name in OTHERS else family(name)


def units_of(model):
    """Shapes of the weights of every convolution in a file."""
    weights = {w.name: tuple(w.dims) for w in model.graph.initializer}
    return [weights[n.input[1]] for n in model.graph.node if n.op_type == "Conv"]


def operators(graph):
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from operators(attribute.g)


@torch.no_grad()
def library_gives(net, clips, book):
    """Logits of every form, by the masked executor."""
    return {
        "dense": net.dense(clips),
        "dynamic": net(clips),
        "codebook": net(clips, plan=book.plan_for(net.plan(clips))),
    }


# ------------------------------------------------------------------ the same result
@pytest.mark.parametrize("name", [*FAMILIES, *OTHERS])
def test_every_form_gives_what_the_library_gives(name, tmp_path):
    net, clips = any_network(name)
    plan = net.plan(clips)
    assert 0 < sum(f.float().mean() for f in plan.frames.values()) / len(plan.units) < 1
    book = make_codebook(plan, net.structure, 2)
    expected = library_gives(net, clips, book)
    for form, logits in expected.items():
        files = net.export(tmp_path, form, codebook=book)
        assert error(run(files, clips), logits) < CLOSE, form


@pytest.mark.parametrize("name", sorted(FACTORISED))
def test_kernels_may_be_two_dimensional(name, tmp_path):
    net, clips = family(name)
    book = make_codebook(net.plan(clips), net.structure, 1)
    with torch.no_grad():
        expected = {"dense": net.dense(clips), "dynamic": net(clips)}
        expected["codebook"] = net(clips, plan=book.codes[[0] * len(clips)])
    for form, logits in expected.items():
        files = export(net, tmp_path, form, codebook=book, planar=True)
        assert error(run(files, clips), logits) < CLOSE, form
        for file in files:
            for node in onnx.load(file).graph.node:
                if node.op_type == "Conv":
                    kernel = next(a for a in node.attribute if a.name == "kernel_shape")
                    assert len(kernel.ints) <= 2  # the controller has some over one axis


@pytest.mark.parametrize("name", [*FAMILIES, *OTHERS])
@pytest.mark.parametrize("seed", range(3))
def test_any_static_plan_can_be_written(name, seed, tmp_path):
    """Units of one branch may even keep different frames, and tiles that do not touch."""
    net, clips = any_network(name)
    plan = PruningPlan.random(net, 1, frames=0.6, channels=0.6, features=0.5, seed=seed)
    if seed == 2:  # nothing but frames, each unit its own
        full = PruningPlan.full(net, 1)
        torch.manual_seed(seed)
        frames = {u: torch.rand(f.shape) < 0.6 for u, f in full.frames.items()}
        for kept in frames.values():
            kept[:, kept.shape[1] // 2] = True
        plan = PruningPlan(frames, full.channels, full.features)
    files = export(net, tmp_path, "codebook", codebook=Codebook(plan, net.structure))
    with torch.no_grad():
        assert error(run(files, clips[:1]), net(clips[:1], plan=plan)) < CLOSE


def test_tiles_on_opposite_sides_read_zeros(tmp_path):
    net, clips = network(TwoBlocks, TwoBlocks.clip)
    plan = PruningPlan.full(net, 1)
    tiles = {u: t.clone() for u, t in plan.features.items()}
    tiles["a.0"][:] = False
    tiles["a.0"][:, :2, :2] = True
    tiles["b.0"][:] = False
    tiles["b.0"][:, 6:, 6:] = True
    plan = PruningPlan(plan.frames, plan.channels, tiles)
    files = export(net, tmp_path, "codebook", codebook=Codebook(plan, net.structure))
    with torch.no_grad():
        assert error(run(files, clips[:1]), net(clips[:1], plan=plan)) < CLOSE


@pytest.mark.parametrize("axes", [["frames"], ["channels"], ["features"]])
def test_dynamic_networks_of_one_axis(axes, tmp_path):
    net, clips = family("narrow", axes=axes)
    with torch.no_grad():
        assert error(run(export(net, tmp_path, "dynamic"), clips), net(clips)) < CLOSE


def test_a_norm_behind_the_activation_stays_inside_the_unit(tmp_path):
    steps = [nn.Conv3d(8, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm3d(8)]
    net, clips = network(lambda: Strided(*steps, nn.Conv3d(8, 8, 1)), (3, 4, 9, 9))
    with torch.no_grad():
        assert error(run(export(net, tmp_path, "dynamic"), clips), net(clips)) < CLOSE


@pytest.mark.shared_data
def test_real_clips_give_what_the_library_gives(tmp_path):
    folder = Path(os.environ["DANCE_DATA"]) / "ut_interaction"
    shape = (3, 8, 32, 32)
    videos = sorted(p for p in folder.rglob("*") if p.suffix in (".avi", ".mp4"))[:40:10]
    frames = np.concatenate([read_video(path, clip_shape=shape[1:]).frames for path in videos])
    clips = torch.from_numpy(frames).movedim(-1, 1).float() / 255
    net, _ = network(lambda: r2plus1d_narrow(CLASSES), shape)
    plan = net.plan(clips)
    assert len({tuple(torch.cat([f[i] for f in plan.frames.values()]).tolist())
                for i in range(len(clips))}) > 1  # fmt: skip
    book = make_codebook(plan, net.structure, 2)
    expected = library_gives(net, clips, book)
    for form, logits in expected.items():
        assert error(run(net.export(tmp_path, form, codebook=book), clips), logits) < CLOSE, form


# ------------------------------------------------------------------ what is in the files
def test_pruned_channels_frames_and_tiles_are_gone_from_the_file(tmp_path):
    """TwoBlocks, by hand: what a code keeps is all that its convolutions are large enough for."""
    net, _ = network(TwoBlocks, TwoBlocks.clip)
    plan = PruningPlan.full(net, 1)
    channels = {u: c.clone() for u, c in plan.channels.items()}
    channels["a.0"][:, 8:] = False  # 8 of 16
    channels["c.0"][:, :16] = False  # 8 of 24
    frames = {u: f.clone() for u, f in plan.frames.items()}
    for unit in ("a.0", "b.0"):
        frames[unit][:, 2:] = False  # 2 of 4
    plan = PruningPlan(frames, channels, plan.features)
    _, code = export(net, tmp_path, "codebook", codebook=Codebook(plan, net.structure))
    model = onnx.load(code)
    assert units_of(model) == [
        (8, 8, 1, 3, 3), (8, 8, 3, 1, 1), (16, 8, 1, 1, 1), (8, 8, 3, 3, 3), (16, 8, 1, 1, 1)
    ]  # fmt: skip
    shapes = onnx.shape_inference.infer_shapes(model).graph.value_info
    sizes = {s.name: [d.dim_value for d in s.type.tensor_type.shape.dim] for s in shapes}
    first = next(n for n in model.graph.node if n.op_type == "Conv")
    assert sizes[first.output[0]] == [1, 8, 2, 8, 8]


def test_a_dropped_branch_is_not_in_the_file(tmp_path):
    net, _ = network(TwoBlocks, TwoBlocks.clip)
    plan = PruningPlan.from_decisions(
        net.structure,
        frames={b.name: torch.full((1, b.size[0]), b.units[0] != "a.0")
                for b in net.structure.branches.values()},
        tiles={b.name: torch.ones(1, *b.grid) for b in net.structure.branches.values()},
        channels={u: torch.ones(1, net.structure.groups(u)) for u in net.structure.channel_owners},
    )  # fmt: skip
    _, code = export(net, tmp_path, "codebook", codebook=Codebook(plan, net.structure))
    assert len(units_of(onnx.load(code))) == 3  # two units of the other branch, its shortcut


@pytest.mark.parametrize("form", ["dense", "dynamic", "codebook"])
def test_files_are_of_opset_13_and_their_version(form, tmp_path):
    net, clips = family("narrow")
    book = make_codebook(net.plan(clips), net.structure, 2)
    for file in net.export(tmp_path, form, codebook=book):
        model = onnx.load(file)
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
        assert model.ir_version == 7
        onnx.checker.check_model(model, full_check=True)
        assert all(numpy_helper.to_array(w).dtype in ("float32", "int64", "bool")
                   for w in model.graph.initializer)  # fmt: skip


def test_static_networks_hold_nothing_that_engines_of_the_edge_refuse(tmp_path):
    """TensorRT 8: no NonZero, no If; weights of convolutions are constants."""
    net, clips = family("narrow")
    book = make_codebook(net.plan(clips), net.structure, 2)
    _, *codes = export(net, tmp_path, "codebook", codebook=book)
    for code in codes:
        graph = onnx.load(code).graph
        assert not {"NonZero", "If", "Where", "CumSum"} & set(operators(graph))
        constants = {w.name for w in graph.initializer}
        assert all(n.input[1] in constants for n in graph.node if n.op_type == "Conv")


def test_nothing_that_may_be_empty_is_reduced(tmp_path):
    """ONNX Runtime 1.10 refuses to: a branch that a clip drops keeps no frame and no tile."""
    net, _ = family("narrow")
    (file,) = net.export(tmp_path, "dynamic")
    graph = onnx.load(file).graph
    empty = {name for n in graph.node if n.op_type == "NonZero" for name in n.output}
    assert empty
    readers = {n.op_type for n in graph.node if empty & set(n.input)}
    assert readers == {"Reshape"}


def test_the_stem_says_which_code_is_next(tmp_path):
    net, clips = family("narrow")
    book = make_codebook(net.plan(clips), net.structure, 3)
    stem, *codes = export(net, tmp_path, "codebook", codebook=book)
    assert [f.name for f in (stem, *codes)] == [
        "stem.onnx", "code_0.onnx", "code_1.onnx", "code_2.onnx"
    ]  # fmt: skip
    expected = book.nearest(net.plan(clips))
    assert len(set(expected.tolist())) == 3
    for clip, code in zip(clips, expected, strict=True):
        stem_output, chosen = outputs(stem, clip[None])
        assert chosen.tolist() == [code]
        assert stem_output.shape == (1, *net.structure.stem_shape)


def test_one_code_needs_no_choice(tmp_path):
    net, clips = family("narrow")
    book = make_codebook(net.plan(clips), net.structure, 1)
    stem, _ = export(net, tmp_path, "codebook", codebook=book)
    assert outputs(stem, clips[:1])[1].tolist() == [0]
    assert set(operators(onnx.load(stem).graph)) <= {"Sub", "Div", "Conv", "Relu", "Identity"}


def test_the_network_stays_as_it_is(tmp_path):
    net, _ = family("narrow")
    net.train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.export(tmp_path)
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


# ------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (nn.GroupNorm(2, 8), r"unit 'branch.0' is followed by 'branch.1' \(GroupNorm\)"),
        (nn.Mish(), r"'branch.1' \(Mish\) has no counterpart"),
    ],
)
def test_what_can_not_be_exported_is_named(layer, named, tmp_path):
    steps = [nn.Conv3d(8, 8, 3, padding=1), layer, nn.Conv3d(8, 8, 1)]
    net, _ = network(lambda: Strided(*steps), (3, 4, 9, 9))
    with pytest.raises(ExportError, match=named):
        net.export(tmp_path)


def test_a_convolution_with_a_forward_of_its_own_is_named(tmp_path):
    class Doubled(nn.Conv3d):
        def forward(self, x):
            return 2 * super().forward(x)

    net, _ = network(lambda: Strided(Doubled(8, 8, 1), nn.Conv3d(8, 8, 1)), (3, 4, 9, 9))
    with pytest.raises(ExportError, match=r"unit 'branch.0' \(Doubled\) has a forward of its own"):
        net.export(tmp_path)


def test_kernels_over_time_and_space_can_not_be_two_dimensional(tmp_path):
    net, _ = network(TwoBlocks, TwoBlocks.clip)
    with pytest.raises(ExportError, match=r"convolution 'c\.0' has a kernel of 3 × 3 × 3"):
        net.export(tmp_path, planar=True)


def test_mistakes_of_the_caller(tmp_path):
    net, clips = family("narrow")
    with pytest.raises(ExportError, match="unknown form 'static'; known: dense, dynamic, codebook"):
        net.export(tmp_path, "static")
    with pytest.raises(ExportError, match="needs a codebook"):
        net.export(tmp_path, "codebook")
    pixels, _ = family("narrow", reads="pixels")
    with pytest.raises(ExportError, match="the controller reads 'pixels'"):
        pixels.export(tmp_path, "dynamic")
    assert run(pixels.export(tmp_path, "dense"), clips).shape == (len(clips), CLASSES)


def test_a_unit_that_keeps_nothing_in_a_branch_that_runs_is_named(tmp_path):
    net, _ = network(TwoBlocks, TwoBlocks.clip)
    plan = PruningPlan.full(net, 1)
    frames = {u: f.clone() for u, f in plan.frames.items()}
    frames["a.0"][:] = False
    plan = PruningPlan(frames, plan.channels, plan.features)
    with pytest.raises(ExportError, match=r"unit 'a.0' keeps nothing although its branch"):
        export(net, tmp_path, "codebook", codebook=Codebook(plan, net.structure))
