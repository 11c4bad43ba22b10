"""Exported forms in the engines that are there."""

import pytest
import torch

from dance_lib.bench import deployed, loading
from dance_lib.deploy.codebook import make_codebook
from dance_lib.deploy.engines import ENGINES
from tests.deploy.networks import error, family, network, run
from tests.networks import TwoBlocks


def test_every_form_is_written_also_with_planar_kernels(tmp_path):
    net, clips = family("narrow")
    book = make_codebook(net.plan(clips), net.structure, 2)
    forms = deployed.export_forms(net, book, tmp_path)
    kinds = ["dense", "dynamic", "codebook"]
    assert list(forms) == [*kinds, *(f"{kind}, 2-D kernels" for kind in kinds)]
    with torch.no_grad():
        for name in ("dense", "dense, 2-D kernels"):
            assert error(run(forms[name], clips), net.dense(clips)) < 1e-5
    net, clips = network(TwoBlocks, TwoBlocks.clip)  # not factorised
    book = make_codebook(net.plan(clips), net.structure, 2)
    assert list(deployed.export_forms(net, book, tmp_path / "two")) == kinds


def test_all_take_the_same_clips_in_turns(tmp_path, monkeypatch):
    net, clips = network(TwoBlocks, TwoBlocks.clip)
    seen = []
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda package: True)

    def load(files):
        return lambda clip: seen.append((files[0].stem, clip.sum())) or clip

    fake = {name: type(e)(e.package, load, e.takes_dynamic) for name, e in ENGINES.items()}
    for module in (deployed, loading):
        monkeypatch.setattr(module, "ENGINES", fake)
    forms = {"dense": [tmp_path / "dense.onnx"], "dynamic": [tmp_path / "dynamic.onnx"]}
    table = deployed.time_forms(net, forms, clips, rounds=4)
    assert set(zip(table["form"], table["engine"], strict=True)) == {
        ("dense", "ONNX Runtime"), ("dense", "OpenVINO"), ("dynamic", "ONNX Runtime"),
        ("free plan", deployed.SPARSE),
    }  # fmt: skip
    assert table.groupby(["form", "engine"]).size().tolist() == [4] * 4
    assert (table["kind"] == "measured").all()
    # 2 rounds to warm up and 4 timed ones go through the three clips twice.
    sums = [c.sum().item() for c in clips] * 2
    dynamic = [value for name, value in seen if name == "dynamic"]
    assert dynamic == pytest.approx(sums)


def test_loading_is_measured_in_a_process_of_its_own(tmp_path):
    net, clips = network(TwoBlocks, TwoBlocks.clip)
    book = make_codebook(net.plan(clips), net.structure, 2)
    forms = {"codebook": net.export(tmp_path, "codebook", codebook=book)}
    rows = [r for r in loading.load_forms(forms, TwoBlocks.clip) if r["engine"] == "ONNX Runtime"]
    (row,) = rows
    assert row["form"] == "codebook"
    assert 0 < row["load_s"] < 60
    assert row["memory_mib"] > 0
    size = sum(f.stat().st_size for f in tmp_path.iterdir())
    assert row["file_mib"] == pytest.approx(size / 2**20)
