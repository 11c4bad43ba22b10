"""A bundle of tiny networks whose logits are known by arithmetic, with the kit that runs it."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

KIT = Path(__file__).parents[2] / "dance_lib" / "deploy" / "kit"
SHAPE = (3, 2, 4, 4)  # (C, T, H, W)
CLASSES = 4
WEIGHTS = np.arange(3 * CLASSES, dtype=np.float32).reshape(3, CLASSES) / 10
# Each clip is of one value, so its logits are that value times the sums of the columns.
VALUES = np.array([0.25, 0.75, 0.5], dtype=np.float32)
CLIPS = np.broadcast_to(VALUES[:, None, None, None, None], (3, *SHAPE)).copy()
DENSE = VALUES[:, None] * WEIGHTS.sum(0)
CODES = np.array([0, 1, 0])  # 1 where the mean is above a half
PRUNED = DENSE * (1 + CODES[:, None])  # network k multiplies by 1 + k


def network(path, nodes, inputs, outputs, constants):
    """Write a network of opset 13, IR 7."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=7), path)


def classifier(path, source, weights):
    """Logits of a mean over frames and space."""
    network(
        path,
        [
            helper.make_node("ReduceMean", [source], ["mean"], axes=[2, 3, 4], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        ],
        [(source, TensorProto.FLOAT, [1, *SHAPE])],
        [("logits", TensorProto.FLOAT, [1, CLASSES])],
        {"weights": weights},
    )


def stem(path):
    """The clip itself, and whether its mean is above a half."""
    network(
        path,
        [
            helper.make_node("Identity", ["clip"], ["stem_output"]),
            helper.make_node("ReduceMean", ["clip"], ["mean"], keepdims=0),
            helper.make_node("Reshape", ["mean", "one"], ["flat"]),
            helper.make_node("Greater", ["flat", "half"], ["above"]),
            helper.make_node("Cast", ["above"], ["code"], to=TensorProto.INT64),
        ],
        [("clip", TensorProto.FLOAT, [1, *SHAPE])],
        [("stem_output", TensorProto.FLOAT, [1, *SHAPE]), ("code", TensorProto.INT64, [1])],
        {"one": np.array([1]), "half": np.array(0.5, np.float32)},
    )


def write_hashes(folder, **changes):
    """bundle.json for the files that are in the folder."""
    forms = {
        "dense": {"networks": ["networks/dense.onnx"], "ideal_mac_ratio": 1.0},
        "dynamic": {"networks": ["networks/dynamic.onnx"], "ideal_mac_ratio": 0.49},
        "codebook": {
            "networks": [f"networks/{name}.onnx" for name in ("stem", "code_0", "code_1")],
            "ideal_mac_ratio": 0.5,
        },
    }
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "bundle.json"]
    hashes = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "results" not in path.parts
    }
    bundle = {"format": 1, "name": "tiny", "target": "jetson-nano", "clip_shape": list(SHAPE),
              "classes": [], "forms": forms, "hashes": hashes}  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(bundle | changes))


def write_clips(folder, **changes):
    """clips.npz: logits of `dynamic` are those of dense."""
    arrays = {"clips": CLIPS, "logits_dense": DENSE, "logits_dynamic": DENSE}
    np.savez(folder / "clips.npz", **(arrays | {"logits_codebook": PRUNED} | changes))


def write_bundle(folder):
    """All of it; the folder is made."""
    (folder / "networks").mkdir(parents=True)
    classifier(folder / "networks/dense.onnx", "clip", WEIGHTS)
    classifier(folder / "networks/dynamic.onnx", "clip", WEIGHTS)
    stem(folder / "networks/stem.onnx")
    for code in range(2):
        weights = WEIGHTS * np.float32(1 + code)
        classifier(folder / f"networks/code_{code}.onnx", "stem_output", weights)
    for name in ("run.py", "power.py"):
        shutil.copy(KIT / name, folder / name)
    (folder / "README.md").write_text("A tiny bundle.\n")
    write_clips(folder)
    write_hashes(folder)
    return folder
