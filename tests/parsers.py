"""Every parser of the library, and a valid input of each, for `fuzz` to damage.

Readers of device logs have tests of the same kind beside them, in tests/devices.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from safetensors.torch import save_file

import dance_lib as dance
from dance_lib.analysis.claims import load_claims
from dance_lib.checkpoint import read_config
from dance_lib.data.decode import read_video
from dance_lib.data.index import load_index
from dance_lib.deploy.codebook import Codebook
from dance_lib.deploy.device.results import read_results
from dance_lib.deploy.device.runs_file import check_runs
from dance_lib.deploy.device.sent_bundle import read_sent_bundle
from dance_lib.devices.runs import read_runs
from dance_lib.models.zoo import load_weights
from dance_lib.study.graph import plan
from dance_lib.study.settings import Settings
from dance_lib.study.values import parse_overrides
from tests.damage import Parser, broken_bytes, safetensors, text
from tests.networks import TwoBlocks
from tests.study.made import MadeStudy

CLAIMS = Path(__file__).parents[1] / "results" / "paper" / "claims.yaml"
NARROW = "r2plus1d_narrow", 4, (3, 4, 16, 16)


# ------------------------------------------------------------------ the study
def _study(damaged: str) -> Callable[[Path], Path]:
    return lambda folder: MadeStudy(folder).root / damaged


def _arguments(folder: Path) -> Path:
    MadeStudy(folder)
    (folder / "arguments").write_text("seed=0,1\nway=[none, cv]\nnote={a: [1, null]}\nscale=2")
    return folder / "arguments"


def _plan(folder: Path) -> None:
    """All jobs of the study, and their parameters as they go to notebooks."""
    given = folder / "arguments"
    said = given.read_text(encoding="utf-8", errors="replace") if given.is_file() else ""
    for job in plan(folder, "small", parse_overrides(said.splitlines())):
        json.dumps([job.parameters, job.outputs, job.inputs, job.reads])


def _settings(folder: Path) -> Path:
    Settings.choose("small", {"seed": "1"}, None, {"01_make": {"scale": 2.0}}, {"seed"}).write(
        folder
    )
    return folder / "settings.json"


# ------------------------------------------------------------------ data sets
def _write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _labels(folder: Path) -> Path:
    rows = [(c, n) for c in ("walk", "run") for n in range(4)]
    for label, n in rows:
        _write(folder, f"{label}/{n}.mp4")
    lines = [f"{c}/{n}.mp4,{c},{'test' if n == 3 else 'train'},{n % 2},{c}{n}" for c, n in rows]
    return _write(folder, "labels.csv", "path,label,split,fold,group", *lines)


def _ucf101(damaged: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for label in ("Archery", "Biking"):
            for g in (1, 8, 9):
                _write(folder, f"{label}/v_{label}_g{g:02}_c01.avi")
        _write(folder, "ucfTrainTestlist/classInd.txt", "1 Archery", "2 Biking")
        train = [
            f"{c}/v_{c}_g{g:02}_c01.avi {k}"
            for k, c in ((1, "Archery"), (2, "Biking"))
            for g in (8, 9)
        ]
        _write(folder, "ucfTrainTestlist/trainlist01.txt", *train)
        test = [f"{c}/v_{c}_g01_c01.avi" for c in ("Archery", "Biking")]
        _write(folder, "ucfTrainTestlist/testlist01.txt", *test)
        return folder / "ucfTrainTestlist" / damaged

    return make


def _hmdb51(folder: Path) -> Path:
    for label in ("wave", "jump"):
        for name in ("a b", "c", "d"):
            _write(folder, f"{label}/{name}.avi")
        lines = ("a b.avi 1", "c.avi 2", "d.avi 0")
        file = _write(folder, f"testTrainMulti_7030_splits/{label}_test_split1.txt", *lines)
    return file


def _kinetics(folder: Path) -> Path:
    rows = [("abseiling", "a-b_c", 0, 10, "train"), ("zumba", "0123", 5, 15, "train"),
            ("abseiling", "1e5", 2, 12, "val"), ("zumba", "x", 100, 110, "test")]  # fmt: skip
    for label, name, start, end, _ in rows:
        _write(folder, f"{label}/{name}_{start:06}_{end:06}.mp4")
    lines = [",".join(map(str, row)) for row in rows]
    header = "label,youtube_id,time_start,time_end,split"
    return _write(folder, "annotations/list.csv", header, *lines)


def _index(dataset: str, **options) -> Callable[[Path], object]:
    return lambda folder: load_index(dataset, folder, **options)


def _video(name: str, codec: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=8)
            stream.height, stream.width, stream.pix_fmt = 16, 24, "yuv420p"
            for grey in range(0, 240, 30):
                pixels = np.full((16, 24, 3), grey, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        return folder / name

    return make


def _decode(name: str) -> Callable[[Path], object]:
    return lambda folder: read_video(folder / name, clip_shape=(4, 8, 8))


# ------------------------------------------------------------------ networks
def _checkpoint(folder: Path) -> Path:
    net = dance.Dance(dance.create_model(*NARROW), NARROW[2])
    return dance.save(net, folder / "net.safetensors", classes=("a", "b", "c", "d"))


def _small_checkpoint(folder: Path) -> Path:
    return dance.save(dance.Dance(TwoBlocks(), TwoBlocks.clip), folder / "net.safetensors")


def _load(folder: Path) -> None:
    dance.load(folder / "net.safetensors")


def _load_small(folder: Path) -> None:
    dance.load(folder / "net.safetensors", backbone=TwoBlocks())
    read_config(folder / "net.safetensors")


STRUCTURE = dance.Dance(TwoBlocks(), TwoBlocks.clip).structure


def _codebook(folder: Path) -> Path:
    net = dance.Dance(TwoBlocks(), TwoBlocks.clip)
    codes = dance.PruningPlan.random(net, 3, frames=0.5, channels=0.5)
    return Codebook(codes, net.structure).save(folder / "book.safetensors")


def _weights(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        state = TwoBlocks().state_dict()
        if name.endswith(".pt"):
            torch.save(state, folder / name)
        else:
            save_file(state, folder / name)
        return folder / name

    return make


# ------------------------------------------------------------------ devices
def _bundle(folder: Path) -> Path:
    names = ("run.py", "power.py", "clips.npz", "networks/dense.onnx", "networks/dynamic.onnx")
    hashes = {}
    for name in names:
        hashes[name] = hashlib.sha256(_write(folder, name, name).read_bytes()).hexdigest()
    forms = {f: {"networks": [f"networks/{f}.onnx"]} for f in ("dense", "dynamic")}
    about = {"format": 1, "name": "tiny", "target": "generic", "forms": forms, "hashes": hashes}
    return _write(folder, "bundle.json", json.dumps(about, indent=1))


def _results(damaged: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        about = {"format": 1, "bundle": "tiny", "target": "generic", "complete": True,
                 "began": "2026-01-02T03:04:05+00:00", "ended": True, "log": "power.csv",
                 "log_format": None, "interval": 0.1}  # fmt: skip
        _write(folder, "run.json", json.dumps(about, indent=1))
        _write(
            folder, "latency.csv", "form,window,clips", "dense,dense-1,10", "dynamic,dynamic-1,9"
        )
        _write(folder, "windows.csv", "name,start,end", "idle,0,1", "dense-1,1,2", "dynamic-1,2,3")
        return folder / damaged

    return make


RUNS = """# what ran
runs:
  - {log: dense.csv, device: nano, network: dense, clips: 10, idle: {log: idle.csv}}
  - log: ours.csv
    device: nano
    network: pruned
    clips: 12
    interval: 0.5
"""


def _runs(folder: Path) -> Path:
    for name, watts in (("dense", 5), ("ours", 4), ("idle", 2)):
        _write(folder, f"{name}.csv", "time_s,power_w", *(f"{t},{watts}" for t in range(4)))
    return _write(folder, "runs.yml", RUNS)


def _read_runs(folder: Path) -> None:
    read_runs(folder)
    check_runs(folder)


YAML = ("{", "}", "[", "]", "- ", ": ", "&a ", "*a", "!!int ", "!!timestamp ", "!!python/name:os ",
        "null", "true", "2001-99-99", "<<: ", "? ", "|", "'", "..", "/etc/passwd")  # fmt: skip
JSON = ('"', "{", "}", "[", "]", "null", "true", "1e999", "-1", ":", "\\ud800", "\\u0000", "../")
CSV = (",", '"', "NA", "nan", "1e5", "-1", "../", "/", "\x00", "train", "TEST", "dev", "\r")
LISTS = (" ", "\t", "/", "Archery", "biking", "../", "1", "99", "\r", "\x00", "\ufeff")
HEADER = (*JSON, '"dtype"', "F32", "F64", "BF16", "I64", "BOOL", "C64", "F8_E4M3", "F4",
          "99999999", "data_offsets", "shape", "__metadata__", "r3d_18", "num_classes",
          "clip_shape")  # fmt: skip

PARSERS = (
    Parser("manifest", _study("notebooks/manifest.yml"), _plan,
           text(*YAML, "needs", "fan_out", "reads: [", "{seed}", "{seed.x}", "{0}", "exclusive")),
    Parser("profile", _study("notebooks/profiles/small.yml"), _plan,
           text(*YAML, "parameters", "notebooks", "seed", "way", "note", "scale")),
    Parser("matrix", lambda folder: _write(MadeStudy(folder).root, "notebooks/matrix.yml",
           "arms:", "  aap: {title: AAP, question: why, seeds: 2, parameters: {note: 1}}",
           "rivals:", "  static: {title: Static, question: why}"), _plan,
           text(*YAML, "arms", "rivals", "seeds", "parameters", "title", "question")),
    Parser("notebook", _study("notebooks/01_make.ipynb"), _plan,
           text(*JSON, "cells", "source", "metadata", "tags", "parameters", "code", "= ", "(")),
    Parser("command line", _arguments, _plan,
           text(*YAML, "seed", "way", "note", "scale", "epochs", "results", "=", "[", "nan")),
    Parser("settings", _settings, Settings.read,
           text(*JSON, "profile", "overrides", "name", "parameters")),
    Parser("labels.csv by split", _labels, _index("csv", val_fraction=0.3), text(*CSV)),
    Parser("labels.csv by fold", _labels, _index("csv", fold=1), text(*CSV)),
    Parser("UCF101's classes", _ucf101("classInd.txt"), _index("ucf101"), text(*LISTS)),
    Parser("UCF101's lists", _ucf101("trainlist01.txt"), _index("ucf101"), text(*LISTS)),
    Parser("HMDB51's lists", _hmdb51, _index("hmdb51"), text(*LISTS)),
    Parser("Kinetics' lists", _kinetics, _index("kinetics"), text(*CSV)),
    Parser("mp4", _video("a.mp4", "libx264"), _decode("a.mp4"), broken_bytes),
    Parser("avi", _video("b.avi", "mpeg4"), _decode("b.avi"), broken_bytes),
    Parser("mpeg", _video("d.mpg", "mpeg2video"), _decode("d.mpg"), broken_bytes),
    Parser("matroska", _video("c.mkv", "libx264"), _decode("c.mkv"), broken_bytes),
    Parser("checkpoint", _checkpoint, _load, safetensors(*HEADER)),
    Parser("checkpoint of one's own backbone", _small_checkpoint, _load_small,
           safetensors(*HEADER)),
    Parser("codebook", _codebook,
           lambda folder: Codebook.load(folder / "book.safetensors", STRUCTURE),
           safetensors(*HEADER, "frames.a.0", "dance-codebook", "U8")),
    Parser("weights in safetensors", _weights("w.safetensors"),
           lambda folder: load_weights(TwoBlocks(), folder / "w.safetensors"),
           safetensors(*HEADER)),
    Parser("weights of torch", _weights("w.pt"),
           lambda folder: load_weights(TwoBlocks(), folder / "w.pt"), broken_bytes),
    Parser("bundle", _bundle, read_sent_bundle, text(*JSON, "forms", "hashes", "networks", "\\\\")),
    Parser("run.json", _results("run.json"), read_results, text(*JSON, "log", "power.csv")),
    Parser("latency.csv", _results("latency.csv"), read_results, text(*CSV, "dense", "idle")),
    Parser("windows.csv", _results("windows.csv"), read_results, text(*CSV, "dense-1", "idle")),
    Parser("runs.yml", _runs, _read_runs, text(*YAML, "log", "pruned", "window", "rail")),
    Parser("claims.yaml", lambda folder: _write(folder, "claims.yaml", CLAIMS.read_text()),
           lambda folder: load_claims(folder / "claims.yaml"),
           text(*YAML, "at_least", "at_most", "measure", "unit", "points")),
)  # fmt: skip
