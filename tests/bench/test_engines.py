import sys

import pytest
import torch

from dance_lib.bench import engines
from dance_lib.bench.dense import DenseNetwork
from dance_lib.bench.engines import ENGINES, Engine, in_engine
from dance_lib.bench.export import to_onnx
from dance_lib.bench.gpu_engines import captured, channels_last, plain


def engine(name, net, clip, precision="float32"):
    return in_engine(name, "dense", name, DenseNetwork.of(net), clip, 1, precision)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_eager_computes_what_the_network_does(net, clip, precision):
    found = engine("eager", net, clip, precision)
    assert found.run is not None, found.facts
    assert found.facts["detail"] in ("default layout", "channels_last_3d")
    limit = {"float32": 1e-5, "bfloat16": 5e-2}[precision]
    with torch.no_grad():
        expected = net.dense(clip)
    assert (found.run() - expected).abs().max() / expected.abs().max() < limit
    assert found.run().dtype == torch.float32


def test_building_an_engine_leaves_the_network_as_it_was(net, clip):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    strides = [p.stride() for p in net.parameters()]
    engine("eager", net, clip, "bfloat16")
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert strides == [p.stride() for p in net.parameters()]


def test_an_engine_that_lacks_the_precision_or_breaks_is_a_row(net, clip, monkeypatch):
    def breaks(*arguments):
        raise RuntimeError("does not compile")

    monkeypatch.setitem(engines.ENGINES["cpu"], "odd", Engine(breaks, ("float32",)))
    assert engine("odd", net, clip).facts["reason"] == "RuntimeError: does not compile"
    other = engine("odd", net, clip, "bfloat16")
    assert other.run is None
    assert other.facts["reason"] == "odd runs no convolutions in bfloat16 here"


def test_a_wrong_engine_is_a_row_without_a_time(net, clip, monkeypatch):
    def lies(network, clip, threads, precision):
        return (lambda clip: network(clip).detach() * 1.01), ""

    monkeypatch.setitem(engines.ENGINES["cpu"], "odd", Engine(lies, ("float32",)))
    found = engine("odd", net, clip)
    assert found.run is None
    assert found.facts["relative_error"] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_runtime_that_is_not_installed_is_a_row_with_the_remedy(net, clip, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)  # as if it were absent
    found = engine(name, net, clip)
    assert found.run is None
    assert found.facts["reason"].startswith(f"{name} is not installed: make bench")


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("onnxruntime", "float32"),
        pytest.param("openvino", "float32", marks=pytest.mark.bench),
        pytest.param("openvino", "bfloat16", marks=pytest.mark.bench),
    ],
)
def test_the_runtimes_agree_with_eager(net, clip, name, precision):
    found = engine(name, net, clip, precision)
    assert found.run is not None, found.facts
    first = found.run()
    assert torch.equal(first, found.run())  # and the first result is not overwritten
    if precision == "float32":
        assert found.facts["relative_error"] < 1e-5
    else:  # it really ran in bfloat16
        assert 1e-5 < found.facts["relative_error"] < 5e-2


def test_the_file_has_the_opset_that_was_asked_for(net, clip):
    import onnx

    model = onnx.load_from_string(to_onnx(DenseNetwork.of(net), clip))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]


@pytest.mark.slow
def test_compiled_agrees_with_eager_and_holds_weights_as_constants(net, clip, monkeypatch):
    compiled, copies = torch.compile, []

    def compile_(network, **options):
        copies.append(network)
        return compiled(network, **options)

    monkeypatch.setattr(torch, "compile", compile_)
    found = engine("compile", net, clip)
    assert found.run is not None, found.facts
    assert found.facts["relative_error"] < 1e-4
    before = found.run()
    with torch.no_grad():
        for weight in copies[0].parameters():
            weight.zero_()
    assert torch.equal(found.run(), before)


def test_the_engines_that_are_known():
    assert list(ENGINES["cpu"]) == ["eager", "compile", "onnxruntime", "openvino"]
    assert list(ENGINES["cuda"]) == ["eager", "channels_last", "graph", "compile"]


@pytest.mark.parametrize("build", [plain, channels_last, captured])
def test_the_forms_on_a_gpu_compute_what_the_network_does(net, clip, build):
    """On the processor, where they are the same but for the graph."""
    run, detail = build(DenseNetwork.of(net), clip, 1, "float32")
    with torch.no_grad():
        expected = net.dense(clip)
    assert detail.endswith("CUDA graph, norms folded") == (build is captured)
    assert (run(clip) - expected).abs().max() / expected.abs().max() < 1e-5
