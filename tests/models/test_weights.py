"""`create_model(weights=path)`: state dicts in two formats, another classifier, and misfits."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from dance_lib import ModelError, create_model

CLIP = (3, 2, 32, 32)


def narrow(classes=4, weights=None):
    return create_model("r2plus1d_narrow", classes, CLIP, weights=weights)


def same(first, second, but="nothing"):
    pairs = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for (name, a), b in pairs if not name.startswith(but))


@pytest.fixture
def trained():
    network = narrow()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)  # statistics and counters too
    return network


@pytest.mark.parametrize("file", ["w.safetensors", "w.pt", "w.pyth"])
def test_both_formats_round_trip(tmp_path, trained, file):
    state = trained.state_dict()
    if file.endswith("safetensors"):
        save_file(state, tmp_path / file)
    else:  # .pyth: as pytorchvideo's model zoo wraps it
        torch.save({"model_state": state} if file.endswith("pyth") else state, tmp_path / file)
    assert same(narrow(weights=tmp_path / file), trained)
    assert same(narrow(weights=str(tmp_path / file)), trained)


def test_another_number_of_classes_starts_the_classifier_anew(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    network = narrow(classes=7, weights=tmp_path / "w.pt")
    assert network.fc.weight.shape[0] == 7
    assert same(network, trained, but="fc.")
    assert network.fc.weight.abs().max() < 0.9  # the trained ones are all above 0.9


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.pop("layer1.conv1.0.0.weight"), r"1 are missing, 'layer1.conv1.0.0.weight'"),
        (lambda s: s.update(odd=torch.ones(1)), r"1 tensors do not match .* 'odd' the first"),
        (
            lambda s: s.update({"stem.0.weight": torch.ones(12, 3, 1, 3, 3)}),
            r"1 tensors do not match and 0 are missing, 'stem.0.weight' the first",
        ),
    ],
)
def test_misfits_name_the_first_tensor(tmp_path, trained, edit, message):
    state = dict(trained.state_dict())
    edit(state)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=message):
        narrow(weights=tmp_path / "w.pt")


def test_files_that_hold_no_state_dict(tmp_path):
    with pytest.raises(
        ModelError, match=r"no weights at .*none.pt; give a path, 'hub', or nothing"
    ):
        narrow(weights=tmp_path / "none.pt")
    with pytest.raises(ModelError, match="no weights at"):
        narrow(weights=tmp_path)
    for name in ("w.pt", "w.safetensors"):
        (tmp_path / name).write_bytes(b"not weights at all")
        with pytest.raises(ModelError, match="holds no readable weights"):
            narrow(weights=tmp_path / name)
    torch.save(torch.ones(3), tmp_path / "tensor.pt")
    with pytest.raises(ModelError, match="holds no state dict but a Tensor"):
        narrow(weights=tmp_path / "tensor.pt")


class Harmful:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_pickle_with_code_is_not_run(tmp_path, capsys):
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(ModelError, match="holds no readable weights"):
        narrow(weights=tmp_path / "w.pt")
    assert "code ran" not in capsys.readouterr().out
